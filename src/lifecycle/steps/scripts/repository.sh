# Clones into DIR ($1) the repository whose URL is the first line of stdin, with the deploy key in the rest, if any;
# the branch is $2, or the default branch. The clone is made beside its place and moved there when it is whole.
set -eu
dir=$1 branch=$2 partial=$1.partial
IFS= read -r url
if [ -e "$dir/.git" ]; then echo 'already cloned'; exit 0; fi
umask 077
mkdir -p /etc/pinacle
cat >/etc/pinacle/deploy_key
[ -s /etc/pinacle/deploy_key ] || rm /etc/pinacle/deploy_key
umask 022
if [ -e /etc/pinacle/deploy_key ]; then
    export GIT_SSH_COMMAND='ssh -i /etc/pinacle/deploy_key -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=accept-new'
fi
export GIT_TERMINAL_PROMPT=0
rm -rf "$partial"
git clone --progress ${branch:+--branch "$branch"} -- "$url" "$partial"
# A folder that is there and empty gives way; one that holds something is not ours to touch.
[ ! -d "$dir" ] || rmdir "$dir"
mv "$partial" "$dir"
