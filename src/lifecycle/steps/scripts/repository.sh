# Clones into DIR ($1) the repository whose URL is the first line of stdin, with the deploy key in the rest, if any;
# the branch is $2, or the default branch. The clone is made beside its place and moved there when it is whole; what is
# in its place and is no whole clone is put aside, as it may hold somebody's work.
set -eu
dir=$1 branch=$2 partial=$1.partial
IFS= read -r url
umask 077
mkdir -p /etc/pinacle
cat >/etc/pinacle/deploy_key
[ -s /etc/pinacle/deploy_key ] || rm /etc/pinacle/deploy_key
umask 022
if [ -e "$dir/.git" ] && git -C "$dir" remote get-url origin >/dev/null 2>&1; then
    echo 'already cloned'
    exit
fi
# The first that answers as this host is taken for it: there is nobody to ask.
export GIT_SSH_COMMAND='ssh -o BatchMode=yes -o StrictHostKeyChecking=accept-new'
[ ! -e /etc/pinacle/deploy_key ] || GIT_SSH_COMMAND="$GIT_SSH_COMMAND -i /etc/pinacle/deploy_key -o IdentitiesOnly=yes"
export GIT_TERMINAL_PROMPT=0
rm -rf "$partial"
git clone --progress ${branch:+--branch "$branch"} -- "$url" "$partial"
# For the user's own pulls and pushes.
[ ! -e /etc/pinacle/deploy_key ] || git -C "$partial" config core.sshCommand "$GIT_SSH_COMMAND"
if [ -e "$dir" ] && ! rmdir "$dir" 2>/dev/null; then
    aside=$dir.aside-$(date +%s)
    mv "$dir" "$aside"
    echo "what was in $dir is in $aside now" >&2
fi
mv "$partial" "$dir"
