# Makes sure that the service $1 is supervised and up; $2 is the signal that asks it to end.
set -eu
service=/etc/s6/service-$1
if [ ! -d "$service" ]; then
    # The folder is complete before it gets its name, because s6 may scan at any time.
    new=/etc/s6/.service-$1
    [ ! -e "$new" ] || rm -rf "$new"
    cp -R /usr/lib/pinacle/service "$new"
    echo "$2" >"$new/down-signal"
    mv "$new" "$service"
    s6-svscanctl -a /etc/s6
    until s6-svok "$service"; do sleep 0.1; done
    echo started
    exit
fi
[ ! -e "$service/down" ] || rm "$service/down"
[ "$(s6-svstat -o wantedup "$service")" != true ] || { echo 'already running'; exit; }
s6-svc -u "$service"
echo started
