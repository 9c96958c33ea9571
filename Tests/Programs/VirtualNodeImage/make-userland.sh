#!/bin/bash
# make-userland.sh OUTPUT: what tests put on top of the node image, as a second archive behind its initramfs: busybox,
# iproute2, and the agent and CNI plugin next to this script, which know nothing of this project.
set -euo pipefail
output=$(realpath -m "$1"); here=$(dirname "$(realpath "$0")")
root=$(mktemp -d); trap 'rm -rf "$root"' EXIT
# /bin and /sbin are links in the image: an archive that has them as directories would replace them.
mkdir -p "$root"/{usr/bin,usr/sbin,opt/cni/bin}
install -m 755 "$here/test-bridge" "$root/opt/cni/bin/test-bridge"
install -m 755 "$here/test-agent" "$root/usr/bin/test-agent"
cp "$(command -v busybox)" "$root/usr/bin/busybox"
for applet in sh cat sleep echo mkdir sed cut expr kill ls printf yes head rm mv seq touch readlink date; do
    ln -s busybox "$root/usr/bin/$applet"
done
ip=$(PATH="$PATH:/usr/sbin:/sbin" command -v ip)
cp "$(realpath "$ip")" "$root/usr/sbin/ip"
for library in $(ldd "$ip" | grep -o '/[^ ]*'); do install -D "$library" "$root$library"; done
(cd "$root" && find . -mindepth 1 | cpio -o -H newc --quiet) > "$output"
