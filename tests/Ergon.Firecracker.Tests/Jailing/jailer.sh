#!/bin/sh
# Stands in for Firecracker's jailer: the same arguments, as strict, and the same directory that becomes the root of what it starts. Since it
# starts the stand-in of Firecracker, which needs more than one file, it lets that see the host's programs too, read-only.
set -eu
if [ "${1-}" = --version ]; then echo 'Jailer v1.16.1'; exit 0; fi
fail() { echo "Jailer error: $1" >&2; exit 1; }
id= exec_file= uid= gid= base=/srv/jailer
while [ $# -gt 0 ]; do
  case "$1" in
    --) shift; break ;;
    --id) id=$2 ;;
    --exec-file) exec_file=$2 ;;
    --uid) uid=$2 ;;
    --gid) gid=$2 ;;
    --chroot-base-dir) base=$2 ;;
    *) fail "Found argument '$1' which wasn't expected, or isn't valid in this context." ;;
  esac
  shift 2
done
for needed in "$id" "$exec_file" "$uid" "$gid"; do [ -n "$needed" ] || fail 'A required argument is missing.'; done
case "$id" in *[!A-Za-z0-9-]*) fail "Invalid instance ID: $id" ;; esac
[ "$(id -u)" = 0 ] || fail 'It needs root.'
name=$(basename "$exec_file")
case "$name" in *firecracker*) ;; *) fail "The name of the executed file must contain 'firecracker': $name" ;; esac
root=$base/$name/$id/root
mkdir -p "$root"
export id exec_file uid gid name root
exec unshare -m sh -euc '
  mount --make-rprivate /
  mount --bind "$root" "$root"
  cp "$exec_file" "$root/$name"
  mkdir -p "$root/dev/net" "$root/run"
  mknod "$root/dev/kvm" c 10 232
  mknod "$root/dev/net/tun" c 10 200
  mknod "$root/dev/urandom" c 1 9
  chmod 700 "$root" "$root/dev" "$root/dev/net" "$root/run"
  chown "$uid:$gid" "$root" "$root/dev" "$root/dev/net" "$root/run" "$root/dev/kvm" "$root/dev/net/tun" "$root/dev/urandom" "$root/$name"
  mkdir -p "$root/tmp" "$root$(dirname "$exec_file")"
  chmod 1777 "$root/tmp"
  for directory in /usr /etc /proc "$(dirname "$exec_file")"; do
    mkdir -p "$root$directory"
    mount --rbind "$directory" "$root$directory"
  done
  for link in bin sbin lib lib64; do ln -sfn "usr/$link" "$root/$link"; done
  ln -s /proc/self/fd "$root/dev/fd"
  mknod -m 666 "$root/dev/null" c 1 3
  cd "$root"
  exec env -i PATH=/usr/bin:/bin /usr/sbin/chroot --userspec="$uid:$gid" --groups= "$root" "/$name" --id "$id" "$@"
' jailer "$@"
