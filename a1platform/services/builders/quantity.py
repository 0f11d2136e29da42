"""Quantities as the API server writes them: in another spelling Argo CD would see a difference for ever."""


def cores(milli: int) -> str:
    """Return thousandths of a core as CPU, whole cores without a suffix."""
    return str(milli // 1000) if milli % 1000 == 0 else f"{milli}m"


def memory(mib: int) -> str:
    """Return MiB as memory, whole GiB as such."""
    return f"{mib // 1024}Gi" if mib % 1024 == 0 else f"{mib}Mi"
