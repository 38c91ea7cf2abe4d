# Removes the services $@ from the pod.
set -eu
for name; do
    rm -rf "/etc/s6/.service-$name"
    mv "/etc/s6/service-$name" "/etc/s6/.service-$name"
done
s6-svscanctl -an /etc/s6
for port in /var/lib/pinacle/ports/*; do
    [ -f "$port" ] || continue
    read -r of <"$port"
    for name; do [ "$of" != "$name" ] || rm -f "$port"; done
done
for name; do rm -rf "/etc/s6/.service-$name" "/etc/pinacle/services/$name" "/var/log/pinacle/$name"; done
