# The last $2 lines that the service $1 printed.
tail -n "$2" "/var/log/pinacle/$1/current"
