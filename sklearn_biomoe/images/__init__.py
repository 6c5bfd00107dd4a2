"""Images of windows: how they are drawn, and the lazy stack that holds them."""

from .settings import ImageSettings, Panel
from .stack import BiosignalImages

__all__ = ["BiosignalImages", "ImageSettings", "Panel"]
