# Waits until something responds to HTTP at $1, port $2. What listens there accepts before the pod does, and hangs up.
trap '' PIPE
until
    { exec 3<>"/dev/tcp/$1/$2" && printf 'GET / HTTP/1.0\r\n\r\n' >&3 && read -r -t 5 -u 3 _; } 2>/dev/null
do
    exec 3>&-
    sleep 0.01
done
