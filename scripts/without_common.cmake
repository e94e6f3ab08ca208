# Read by the compilation of llama-cpp-python (CMAKE_PROJECT_INCLUDE): leaves out what only
# llama.cpp's command line tools use, half of the compile time. The binding forces the cache
# variable of the same name on; a normal variable wins over it.
set(LLAMA_BUILD_COMMON OFF)
