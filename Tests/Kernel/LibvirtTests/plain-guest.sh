#!/bin/sh
# Makes a plain guest for the tests: Debian's cloud kernel (vmlinuz) and a busybox initramfs (initrd) in the folder $1.
# The guest prints "guest is up", then the state of eth0's link over and over. With labrun.panic on its command line it
# panics.
set -eu
PATH=$PATH:/usr/sbin:/sbin
mkdir -p "$1"
cd "$1"
[ -s vmlinuz ] && [ -s initrd ] && exit 0
package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
rm -rf work
mkdir -p work/root/bin work/root/proc work/root/sys work/root/modules
(cd work && apt-get -qq download "$package" && dpkg-deb -x ./*.deb kernel)
release=$(basename work/kernel/lib/modules/*)
depmod -b work/kernel "$release"
number=10
modprobe -a --show-depends -d work/kernel -S "$release" virtio_pci virtio_net |
    awk '/^insmod/ && !seen[$2]++ { print $2 }' | while read -r module; do
    cp "$module" "work/root/modules/$number-$(basename "$module")"
    number=$((number + 1))
done
cp "$(command -v busybox)" work/root/bin/busybox
cat > work/root/init <<'INIT'
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
for module in /modules/*.ko; do /bin/busybox insmod "$module"; done
/bin/busybox ip link set eth0 up
echo "guest is up"
case "$(/bin/busybox cat /proc/cmdline)" in *labrun.panic*) echo c > /proc/sysrq-trigger ;; esac
while true; do
    echo "carrier $(/bin/busybox cat /sys/class/net/eth0/carrier)"
    /bin/busybox sleep 0.1
done
INIT
chmod 755 work/root/init
(cd work/root && find . | cpio --quiet -o -H newc) | gzip -1 > initrd.new
cp work/kernel/boot/vmlinuz-* vmlinuz.new
mv initrd.new initrd
mv vmlinuz.new vmlinuz
rm -rf work
