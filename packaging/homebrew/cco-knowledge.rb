# A template: scripts/formula fills in {homepage}, {url} and {sha256}, and writes the formula.
class CcoKnowledge < Formula
  include Language::Python::Virtualenv

  desc "One local daemon that stores and finds what coding agents learn"
  homepage "{homepage}"
  url "{url}"
  sha256 "{sha256}"
  license "Apache-2.0"

  depends_on "cmake" => :build
  depends_on "ninja" => :build
  depends_on "uv" => :build
  depends_on "python@3.13"

  # No resources: some of the packages come as wheels only, which Homebrew's pip_install refuses.
  # uv checks all of them against the hashes in requirements/, which are part of the source.
  def install
    virtualenv_create(libexec, "python3.13", without_pip: false) # kmctl model pull needs pip
    # As scripts/setup compiles llama.cpp.
    ENV["CMAKE_ARGS"] = "-DLLAVA_BUILD=OFF -DCMAKE_PROJECT_INCLUDE=#{buildpath}/scripts/without_common.cmake"
    install_locked "--requirements", "requirements/compile.txt", "hatchling"
    install_locked "--no-build-isolation", "#{buildpath}[mcp]"
    bin.install_symlink %w[kmctl cco-knowledged knowledge-manager].map { |name| libexec/"bin"/name }

    system libexec/"bin/python", "scripts/manual.py", buildpath
    man1.install Dir["*.1"]
    man5.install Dir["*.5"]
    generate_completions_from_executable(bin/"kmctl", "completion", base_name: "kmctl",
                                         shells: [:bash, :zsh, :fish])
  end

  def install_locked(*arguments)
    system "uv", "pip", "install", "--python", libexec/"bin/python",
           "--constraints", "requirements/test.txt", *arguments
  end

  # No service block: brew services would know nothing of the socket by which the first request
  # starts the daemon, and kmctl start, stop and restart would know nothing of brew services.
  def caveats
    <<~EOS
      Fetch the default model (84 MB), then let launchd or systemd run the daemon:
        kmctl model pull all-MiniLM-L6-v2
        kmctl service install
      After an upgrade: kmctl service install; kmctl restart
    EOS
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/kmctl version")
  end
end
