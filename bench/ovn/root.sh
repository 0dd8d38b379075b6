#!/usr/bin/env bash
# A Debian root with its own OVN and OVS, to measure another version than the host's: made once, kept in a folder.
#   root.sh make SUITE DIR             bootstraps it with debootstrap, unless it is there; prints its OVN version
#   root.sh run DIR BASE COMMAND...    runs a command on the host with BASE, /dev and /proc shown inside the root as well, for
#                                      `bench.py --root DIR --base BASE/run`. The mounts end with the command.
# Called by ../ovn.ts. Needs root; takes packages from the mirror that the host's apt uses. Starts no service.
set -euo pipefail

fail() {
  echo "bench-ovn: $1" >&2
  exit 69
}

mirror() {
  local found
  # shellcheck disable=SC2016 # the dollars are apt's
  found=$(apt-get indextargets --format '$(ORIGIN) $(RELEASE) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    awk '$1 == "Debian" && $2 !~ /-security$/ { print $3; exit }')
  [[ -n $found ]] || fail "this host's apt knows no Debian mirror: run it on Debian"
  echo "${found%/}"
}

case ${1:-} in
make)
  suite=$2 dir=$3
  if [[ ! -x $dir/usr/bin/ovn-northd ]]; then
    command -v debootstrap >/dev/null || fail "debootstrap is missing: apt-get install debootstrap"
    # Half a root must not be taken for one: it gets its name when it is done.
    rm -rf --one-file-system "$dir.new"
    mkdir -p "$dir.new"
    echo "bootstrapping $suite with its OVN into $dir (once, some minutes)" >&2
    unshare --mount --pid --fork --kill-child -- debootstrap --variant=minbase \
      --include=openvswitch-switch,ovn-central,ovn-host,iproute2 \
      "$suite" "$dir.new" "$(mirror)" >"$dir.log" 2>&1 || {
      tail -n 20 "$dir.log" >&2
      fail "debootstrap $suite failed; the whole log: $dir.log"
    }
    rm -f "$dir.log"
    rm -rf --one-file-system "$dir"
    mv "$dir.new" "$dir"
  fi
  chroot "$dir" ovn-northd --version | head -n 1
  ;;
run)
  dir=$2 base=$3
  shift 3
  mkdir -p "$base" "$dir$base"
  # shellcheck disable=SC2016 # the inner shell expands
  exec unshare --mount --propagation private -- bash -c '
    set -euo pipefail
    dir=$1 base=$2
    shift 2
    for path in "$base" /dev /proc; do mount --rbind "$path" "$dir$path"; done
    exec "$@"' root.sh "$dir" "$base" "$@"
  ;;
*)
  fail "usage: root.sh make SUITE DIR | root.sh run DIR BASE COMMAND..."
  ;;
esac
