#!/bin/bash
# Boots systemd as PID 1 of a machine that has only /usr of this one, or its own root.
#
#   boot.sh DIRECTORY ONNET CGROUP
#   boot.sh DIRECTORY ROOT CGROUP
#
# DIRECTORY/etc is added to its /etc, ONNET becomes its /usr/bin/onnet. Runs as root, in the network namespace of the machine. The
# other namespaces, and with them the machine, end with this script.
set -euo pipefail
directory=$1 onnet=$2 cgroup=$3

hierarchies() { # systemd's layouts: unified (v2), or hybrid (v1 and v2)
  if [ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ]; then
    echo .
  else
    for name in systemd unified memory cpu cpuacct pids; do
      if [ -d "/sys/fs/cgroup/$name" ]; then echo "$name"; fi
    done
  fi
}

if [ "${4:-}" != inside ]; then
  for name in $(hierarchies); do
    mkdir -p "/sys/fs/cgroup/$name/$cgroup"
    echo $$ > "/sys/fs/cgroup/$name/$cgroup/cgroup.procs"
  done
  # It ends with the process that started it, and so do all its processes.
  exec setpriv --pdeathsig KILL unshare --mount --pid --ipc --uts --cgroup --fork --kill-child "$0" "$directory" "$onnet" "$cgroup" inside
fi

# In the current directory.
this_machines_usr() {
  mkdir -p usr/bin usr/host-bin etc var/log root home

  # With one more program.
  for part in lib lib32 lib64 libx32 libexec local sbin share; do
    if [ -d "/usr/$part" ]; then mkdir "usr/$part" && mount --rbind -o ro "/usr/$part" "usr/$part"; fi
  done
  mount --bind -o ro /usr/bin usr/host-bin
  for program in /usr/bin/*; do ln -s "/usr/host-bin/${program##*/}" "usr/bin/${program##*/}"; done
  rm -f usr/bin/onnet && cp "$onnet" usr/bin/onnet
  for link in bin sbin lib lib32 lib64 libx32; do
    if [ -d "/usr/$link" ]; then ln -s "usr/$link" "$link"; fi
  done

  cp -a /etc/ssl /etc/ld.so.cache /etc/ld.so.conf /etc/ld.so.conf.d etc/ 2>/dev/null || true
  if [ -d /etc/ca-certificates ]; then cp -a /etc/ca-certificates etc/; fi
  printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n' > etc/passwd
  printf 'root:x:0:\nnogroup:x:65534:\nsystemd-journal:x:999:\n' > etc/group
  printf 'passwd: files systemd\ngroup: files systemd\nhosts: files dns\n' > etc/nsswitch.conf
  echo 0123456789abcdef0123456789abcdef > etc/machine-id
}

layout=$(hierarchies)
root=$directory/root
mkdir "$root"
mount --make-rprivate /
if [ -d "$onnet" ]; then
  mount --bind "$onnet" "$root" && cd "$root"
else
  mount -t tmpfs -o mode=755 tmpfs "$root" && cd "$root"
  this_machines_usr
fi
mkdir -p run tmp proc sys dev/shm dev/pts old etc/ssl/certs
# The lab mounts its own files over these.
cat /etc/resolv.conf > etc/resolv.conf
cat /etc/ssl/certs/ca-certificates.crt > "$directory/bundle" && rm -f etc/ssl/certs/ca-certificates.crt
mkdir -p etc/ssl/certs && mv "$directory/bundle" etc/ssl/certs/ca-certificates.crt
mkdir -p etc/systemd/system
printf '[Unit]\nRequires=systemd-journald.socket\nAfter=systemd-journald.socket\nAllowIsolate=yes\n' > etc/systemd/system/boot.target
ln -sfn boot.target etc/systemd/system/default.target
cp -a "$directory/etc/." etc/

mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
if [ "$layout" = . ]; then
  mount -t cgroup2 cgroup2 sys/fs/cgroup
else
  mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup
  for name in $layout; do
    mkdir "sys/fs/cgroup/$name"
    case $name in
      unified) mount -t cgroup2 cgroup2 "sys/fs/cgroup/$name" ;;
      systemd) mount -t cgroup -o none,name=systemd cgroup "sys/fs/cgroup/$name" ;;
      *) mount -t cgroup -o "$name" cgroup "sys/fs/cgroup/$name" ;;
    esac
  done
fi
for device in null zero full random urandom tty; do : > "dev/$device" && mount --bind "/dev/$device" "dev/$device"; done
ln -sfn /proc/self/fd dev/fd
mount -t tmpfs tmpfs dev/shm
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs tmpfs tmp

pivot_root . old
umount -l old
# As container managers do: systemd mounts credentials in its own namespace, and mount propagation makes them visible here.
mount --make-rshared /
exec env -i container=onnet-test PATH=/usr/bin:/usr/sbin /usr/lib/systemd/systemd --log-target=journal --show-status=no
