# Lists the services of this pod.
for service in /etc/s6/service-*; do
    [ ! -d "$service" ] || echo "${service#/etc/s6/service-}"
done
