# Clones into DIR ($1) the repository whose URL is the first line of stdin, with the deploy key in the rest, if any;
# the branch is $2, or the default branch. The clone is made beside DIR and moved there when it is complete. Anything
# else in DIR is moved aside, because it may hold somebody's work.
set -eu
dir=$1 branch=$2 partial=$1.partial
IFS= read -r url
umask 077
mkdir -p /etc/pinacle
cat >/etc/pinacle/deploy_key
umask 022
# These settings apply to every ssh in the pod: this clone's, a submodule's, an install's, the user's own. A host's
# first key is accepted, because nobody may be there to ask. The user's own keys are listed, because an IdentityFile
# line replaces the defaults.
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
    # An older worker configured the key in this clone alone.
    case $(git -C "$dir" config --local core.sshCommand || :) in
        *' -i /etc/pinacle/deploy_key '*) git -C "$dir" config --local --unset core.sshCommand ;;
    esac
    echo 'already cloned'
    exit
fi
rm -rf "$partial"
(
    # git uses the user's proxy and certificates. The user's variables may have any name and value, so nothing but the
    # arguments is read once they are set.
    set -- "$url" "$partial" ${branch:+--branch "$branch"}
    [ ! -r /etc/pinacle/environment ] || . /etc/pinacle/environment
    unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_OBJECT_DIRECTORY GIT_NAMESPACE
    export GIT_TERMINAL_PROMPT=0 GIT_LFS_SKIP_SMUDGE=1
    [ -n "${GIT_SSH_COMMAND:-}" ] || export GIT_SSH_COMMAND='ssh -o BatchMode=yes'
    if [ $# = 2 ]; then /usr/bin/git clone --progress -- "$1" "$2"
    else /usr/bin/git clone --progress "$3" "$4" -- "$1" "$2"
    fi || exit
    cd "$2"
    # A clone without some of its submodules or LFS files is better than none.
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
