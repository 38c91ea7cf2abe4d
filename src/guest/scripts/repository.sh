# Clones into DIR ($1) the repository whose URL is the first line of stdin, with the deploy key in the rest, if any;
# the branch is $2, or the default branch. The clone is made beside its place and moved there when it is whole; what is
# in its place and is no whole clone is put aside, as it may hold somebody's work.
set -eu
dir=$1 branch=$2 partial=$1.partial
IFS= read -r url
umask 077
mkdir -p /etc/pinacle
cat >/etc/pinacle/deploy_key
umask 022
# For every ssh in the pod: this clone's, a submodule's, an install's, the user's own. The first that answers as a host is
# taken for it, for there may be nobody to ask. Naming one key would be to forget those that a user puts into their home.
ssh=/etc/ssh/ssh_config.d/pinacle.conf
mkdir -p "${ssh%/*}"
printf 'Host *\n    StrictHostKeyChecking accept-new\n' >"$ssh"
if [ -s /etc/pinacle/deploy_key ]; then
    cat >>"$ssh" <<'END'
    IdentityFile /etc/pinacle/deploy_key
    IdentityFile ~/.ssh/id_ed25519
    IdentityFile ~/.ssh/id_ecdsa
    IdentityFile ~/.ssh/id_rsa
END
else
    rm /etc/pinacle/deploy_key
fi
if [ -e "$dir/.git" ] && git -C "$dir" remote get-url origin >/dev/null 2>&1; then
    # As an older worker left it, which told this one clone of the key, and of no other.
    case $(git -C "$dir" config --local core.sshCommand || :) in
        *' -i /etc/pinacle/deploy_key '*) git -C "$dir" config --local --unset core.sshCommand ;;
    esac
    echo 'already cloned'
    exit
fi
rm -rf "$partial"
(
    # The user's proxy and certificates serve this, too. Their variables may have any name and value: once they are there
    # nothing is read but the arguments.
    set -- "$url" "$partial" ${branch:+--branch "$branch"}
    [ ! -r /etc/pinacle/environment ] || . /etc/pinacle/environment
    unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_OBJECT_DIRECTORY GIT_NAMESPACE
    export GIT_TERMINAL_PROMPT=0 GIT_LFS_SKIP_SMUDGE=1
    [ -n "${GIT_SSH_COMMAND:-}" ] || export GIT_SSH_COMMAND='ssh -o BatchMode=yes'
    if [ $# = 2 ]; then /usr/bin/git clone --progress -- "$1" "$2"
    else /usr/bin/git clone --progress "$3" "$4" -- "$1" "$2"
    fi || exit
    cd "$2"
    # What belongs to it and can't be had is no reason to have nothing.
    if [ -e .gitmodules ]; then
        /usr/bin/git submodule update --init --recursive ||
            echo 'Not all submodules could be fetched; the rest is there. Run: git submodule update --init --recursive' >&2
    fi
    if /bin/grep -qs 'filter=lfs' .gitattributes; then
        unset GIT_LFS_SKIP_SMUDGE
        /usr/bin/git lfs pull ||
            echo 'The files in Git LFS could not be fetched; the rest is there. Run: git lfs pull' >&2
    fi
)
if [ -e "$dir" ] && ! rmdir "$dir" 2>/dev/null; then
    aside=$dir.aside-$(date +%s)
    mv "$dir" "$aside"
    echo "what was in $dir is in $aside now" >&2
fi
mv "$partial" "$dir"
