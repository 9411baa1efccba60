"""The commands: what they are asked, and what they print. The work is done by the tools."""

from rim_plugin.cli.export import export
from rim_plugin.cli.gallery import gallery
from rim_plugin.cli.hallucinate import hallucinate
from rim_plugin.cli.pack import pack
from rim_plugin.cli.prepare import prepare
from rim_plugin.cli.verify import verify

__all__ = ['export', 'gallery', 'hallucinate', 'pack', 'prepare', 'verify']
