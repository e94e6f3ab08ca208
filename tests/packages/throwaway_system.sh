#!/bin/sh
# Runs a command on a copy of this system that may be changed: /usr, /etc and /var are written to
# FOLDER. With BASE, the folder of an earlier run, its changes are there already.
#   throwaway_system.sh FOLDER BASE|- COMMAND...
# Exit 77: the kernel does not allow that here.
set -eu
if [ "${INSIDE:-}" != yes ]; then
  INSIDE=yes exec unshare --mount --propagation private "$0" "$@"
fi
folder=$1 base=$2
shift 2
for part in usr etc var; do
  lower=/$part
  [ "$base" = - ] || lower=$base/$part/upper:$lower
  upper=$folder/$part/upper work=$folder/$part/work
  mkdir -p "$upper" "$work"
  mount -t overlay overlay -o "lowerdir=$lower,upperdir=$upper,workdir=$work" "/$part" || exit 77
done
unset INSIDE
exec "$@"
