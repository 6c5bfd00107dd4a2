"""A small network for tests of other things, which child processes import too."""

from torch import nn


class SmallBackbone(nn.Module):
    """Replaces the backbone; embeds thousands of images per second."""

    def __init__(self):
        super().__init__()
        self.pool = nn.AvgPool2d(14)
        self.linear = nn.Linear(3 * 16 * 16, 192)

    def forward(self, images):
        return self.linear(self.pool(images).flatten(1))
