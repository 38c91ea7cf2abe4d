# Prints the largest packet, in bytes, of this host's way out: of the device of its first default route, by the kernel's own
# table. Nothing where it has none.
while read -r device destination _; do
    [ "$destination" != 00000000 ] || exec cat "/sys/class/net/$device/mtu"
done </proc/net/route
