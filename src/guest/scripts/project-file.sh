# Prints the pinacle.yaml of the project in the folder $1, if there is one, and at most $2 bytes of it.
for file in "$1/pinacle.yaml" "$1/pinacle.yml"; do
    [ ! -f "$file" ] || exec head -c "$2" "$file"
done
