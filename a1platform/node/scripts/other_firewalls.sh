# For whoever asks for the facts of a host or judges its firewall. Bash, read-only.
a1_other_firewalls() { # ufw's unit is active on every Ubuntu, so its own switch counts
    grep -qsiE '^[[:space:]]*ENABLED="?yes' /etc/ufw/ufw.conf && printf 'ufw '
    case "$(systemctl is-enabled firewalld 2>/dev/null) $(systemctl is-active firewalld 2>/dev/null)" in
    enabled* | *" active") printf 'firewalld ' ;;
    esac
    true
}
