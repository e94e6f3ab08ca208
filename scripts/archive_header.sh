#!/bin/sh
# CCO Knowledge in one file. Called kmctl, cco-knowledged or knowledge-manager (by a link), it is
# that command; by any other name, kmctl. Behind this text lies a zip file with the program, which
# the first start unpacks below ~/.local/share/cco-knowledge.
case ${0##*/} in
  cco-knowledged | knowledge-manager) name=${0##*/} ;;
  *) name=kmctl ;;
esac
data=${XDG_DATA_HOME:-${HOME:+$HOME/.local/share}}
program=$data/cco-knowledge/{identity}
if [ -n "$data" ] && [ -x "$program/bin/python" ]; then
  exec "$program/bin/python" -P "$program/bin/$name" "$@"
fi
PATH=${PATH:-/usr/local/bin:/usr/bin:/bin}
if python=$(command -v {python}); then
  exec "$python" -I "$0" {identity} "$name" "$@"
fi
echo "$0: this file was built for {python}, and none is on the PATH." >&2
exit 1
