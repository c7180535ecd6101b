"""Put first on the path, it gives `engine` a scripted `dg-engine`; all else is the real package's."""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
