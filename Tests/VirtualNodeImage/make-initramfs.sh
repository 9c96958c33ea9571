#!/bin/bash
# make-initramfs.sh OUTPUT KERNEL-TREE LABNODE: a throw-away node image for tests, with busybox, iproute2 and the
# CNI plugin next to this script. KERNEL-TREE is an unpacked linux-image package.
set -euo pipefail
output=$(realpath -m "$1"); tree=$(realpath "$2"); labnode=$(realpath "$3"); here=$(dirname "$(realpath "$0")")
root=$(mktemp -d); trap 'rm -rf "$root"' EXIT
release=$(ls "$tree/lib/modules")
modules="$tree/lib/modules/$release"
mkdir -p "$root"/{bin,sbin,usr/bin,usr/sbin,etc/labrun,etc/cni/net.d,opt/cni/bin,lib/modules,proc,sys,dev,run,tmp}
mkdir "$root/var"; ln -s ../run "$root/var/run"
install -m 755 "$labnode" "$root/init"
strip "$root/init"
install -m 755 "$here/test-bridge" "$root/opt/cni/bin/test-bridge"
install -m 755 "$here/test-agent" "$root/usr/bin/test-agent"
cp "$(command -v busybox)" "$root/bin/busybox"
for applet in sh cat sleep echo mkdir sed cut expr kill ls printf yes head rm mv seq; do ln -s busybox "$root/bin/$applet"; done
cp "$(command -v ip)" "$root/usr/sbin/ip"
for library in $(ldd "$(command -v ip)" | grep -o '/[^ ]*'); do install -D "$library" "$root$library"; done
copied=" "
add_module() {
    local file name; name=$1
    file=$(find "$modules" -name "${name//_/[-_]}.ko" | head -1)
    [[ -n $file && $copied != *" $name "* ]] || return 0
    copied+="$name "
    local dependency
    for dependency in $(modinfo -F depends "$file" | tr ',' ' '); do add_module "$dependency"; done
    install -D -m 644 "$file" "$root${file#"$tree"}"
    echo "${file#"$tree"}" >> "$root/etc/labrun/modules"
}
for module in virtio_pci virtio_console virtio_net veth bridge sch_netem nf_tables nft_reject_ipv4; do add_module "$module"; done
(cd "$root" && find . | cpio -o -H newc --quiet) > "$output"
