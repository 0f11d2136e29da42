# Compares the facts in $a1_facts with what is required; one line per problem, exit 1 if there is one.
a1_fact() { # key
    sed -n "s/^$1=//p" <<<"$a1_facts" | head -n 1
}

a1_one_of() { # key, subject, accepted values...
    local found accepted key=$1 subject=$2
    shift 2
    accepted=$*
    found=$(a1_fact "$key")
    case " $* " in *" $found "*) return ;; esac
    printf '%s: found %s, expected %s\n' "$subject" "${found:-nothing}" "${accepted// / or }"
}

a1_at_least() { # key, subject, minimum
    local found
    found=$(a1_fact "$1")
    [ "${found:-0}" -ge "$3" ] 2>/dev/null || printf '%s: found %s, expected at least %s\n' "$2" "${found:-nothing}" "$3"
}

a1_none() { # key, subject
    local found
    found=$(a1_fact "$1")
    [ -z "${found// /}" ] || printf '%s: found %s, expected none\n' "$2" "${found% }"
}

a1_free_ports() { # ports...: our own K3s may hold them
    local port taken="" listening
    [ "$(a1_fact k3s_is_ours)" = yes ] && return
    listening=" $(a1_fact listening) "
    for port in "$@"; do
        case "$listening" in *" $port "*) taken="$taken $port" ;; esac
    done
    [ -z "$taken" ] || printf 'ports: found a listener on%s, expected them free for K3s\n' "$taken"
}
