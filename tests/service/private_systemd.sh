#!/bin/sh
# Runs one command under a real `systemd --user` of its own, unprivileged. Needs root to set it up;
# root as the manager's user keeps the one capability without which it cannot have namespaces.
#   private_systemd.sh UID GID HOME COMMAND...
# All of it is in namespaces of its own, and their end takes every process along: a PID namespace,
# a private /run, and a branch of the cgroup tree that belongs to the user. Exit 77: the kernel
# does not allow that here.
set -eu
if [ "${INSIDE:-}" != yes ]; then
  INSIDE=yes exec unshare --mount --pid --fork --kill-child --mount-proc --cgroup "$0" "$@"
fi
uid=$1 gid=$2 home=$3
shift 3

mount --make-rprivate /
mount -t tmpfs -o mode=755 none /run
umount -R /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 none /sys/fs/cgroup || exit 77
# What the system's own manager would have made; sandboxed services fail without it.
mkdir -p /run/systemd/system /run/systemd/unit-root /run/systemd/mount-rootfs \
  /run/systemd/incoming /run/systemd/propagate /run/systemd/inaccessible/dir
: > /run/systemd/inaccessible/reg
runtime=/run/user/$uid
mkdir -p "$runtime"
mount -t tmpfs -o "mode=700,uid=$uid,gid=$gid" none "$runtime"

branch=/sys/fs/cgroup/cco-knowledge-test-$$-$(date +%s%N)
mkdir -p "$branch/manager" || exit 77
chown -R "$uid:$gid" "$branch/manager"
echo $$ > "$branch/manager/cgroup.procs"

status=0
env -i HOME="$home" XDG_RUNTIME_DIR="$runtime" PATH="$PATH" PYTHONPATH="$PYTHONPATH" LANG=C.UTF-8 \
  setpriv --reuid "$uid" --regid "$gid" --clear-groups --inh-caps=-all --bounding-set=-all,+setfcap \
  sh -c '
    SYSTEMD_LOG_TARGET=console /usr/lib/systemd/systemd --user --unit=basic.target \
      > "$HOME/manager.log" 2>&1 &
    manager=$!
    tries=0
    until systemctl --user is-system-running > /dev/null 2>&1 || [ $tries -ge 200 ]; do
      sleep 0.05
      tries=$((tries + 1))
    done
    status=0
    "$@" || status=$?
    systemctl --user exit
    wait $manager || true
    exit $status
  ' sh "$@" || status=$?

echo $$ > /sys/fs/cgroup/cgroup.procs
find "$branch" -depth -type d -exec rmdir {} \; 2>/dev/null || true
exit $status
