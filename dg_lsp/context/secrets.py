"""Where secrets usually are: names of files, and texts that look like a key or a token."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, lru_cache

from dg_lsp.context.ignore_rules import Rules, rules, verdict

_FOLDERS = {".ssh", ".aws", ".azure", ".gnupg", "gcloud"}

_NAMES = """
.env .env.* *.env .envrc .dev.vars !.env.example !.env.sample !.env.template !.env.dist
*.pem *.key *.p8 *.p12 *.pfx *.jks *.keystore *.ppk *.kdb *.kdbx *.gpg *.agekey *.ovpn
id_rsa* id_dsa* id_ecdsa* id_ed25519* !id_*.pub
credentials .credentials .secrets *.secret *.secrets *.token .vault-token .vault_pass*
.netrc _netrc .npmrc .yarnrc.yml .pypirc .pgpass .my.cnf .htpasswd .git-credentials .dockercfg .s3cfg .boto
*.tfvars *.tfvars.json *.tfstate *.tfstate.* .terraformrc terraform.rc
kubeconfig *.kubeconfig **/.kube/config **/.docker/config.json **/.m2/settings.xml local.settings.json wp-config.php
.*_history **/.git/config
"""

_STEMS = ("credentials*", "*secret", "*secrets", "service-account*", "service_account*")
_DATA = ("json", "yml", "yaml", "toml", "ini", "cfg", "conf", "properties", "xml", "csv", "txt")
"""Endings of data: credentials.json holds secrets, credentials.py is code about them."""

_TEXTS = {
    "-----": r"-----(?:BEGIN|END) [A-Z0-9 ]+-----",
    "akia asia abia acca": r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b",  # AWS
    "ghp_ gho_ ghu_ ghs_ ghr_": r"\bgh[pousr]_[A-Za-z0-9]{30,}",
    "github_pat_": r"\bgithub_pat_\w{22,}",
    "glpat-": r"\bglpat-[\w-]{20,}",
    "xox": r"\bxox[a-z]-[\w-]{10,}",
    "hooks.slack.com": r"hooks\.slack\.com/services/\w",
    "aiza ya29.": r"\bAIza[\w-]{35}|\bya29\.[\w-]{20,}",  # Google
    "k_live_ sk- hf_ npm_ pypi-": r"\b[rs]k_live_[A-Za-z0-9]{16,}|\b(?:sk-|hf_|npm_|pypi-)[\w-]{30,}",
    "eyj": r"(?<![\w-])eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}",  # JSON web token
    "://": r"://[^/\s:@'\"{}<>$%]+:[^/\s:@'\"{}<>$%]{3,}@",  # a password in an address
    "bearer": r"(?i:\bbearer)\s+[\w.~+/-]{20,}",
    "passw pwd secret token api_key api-key apikey private": r"(?i:passw(?:or)?d|pwd|secret|token|api[_-]?key"
    r"|private[_-]?key)[\w-]{0,60}[\"']?\s*(?::|=|:=)\s*[rbufRBUF]{0,2}[\"']"
    # long, or with something in it that no name has
    r"(?:[A-Za-z0-9+/=_.-]{16,}|(?=[^\"'\s]*[\d!@#$%^&*+])[^\"'\s]{6,})[\"']",
}
"""Patterns by what a text must hold, in lower case, to be looked at: ten times as fast as one pattern for all."""

_BY_MARK = [(marks.split(), re.compile(pattern)) for marks, pattern in _TEXTS.items()]


@cache
def _secret_names() -> Rules:
    return rules([*_NAMES.split(), *(f"{stem}.{ending}" for stem in _STEMS for ending in _DATA)])


def is_secret_file(parts: Sequence[str]) -> bool:
    """Whether a file is one of secrets by its name or its folders; `parts` is its path, upper or lower case."""
    *folders, name = (part.lower() for part in parts)
    return not _FOLDERS.isdisjoint(folders) or verdict(_secret_names(), "/".join([*folders, name])) is True


@lru_cache(maxsize=512)
def holds_secret(text: str) -> bool:
    """Whether a text holds what looks like a private key, a token or a password."""
    lower = text.lower()
    return any(any(mark in lower for mark in marks) and pattern.search(text) for marks, pattern in _BY_MARK)
