"""The commands: what they are asked, and what they print. The work is done by the tools."""

from rim_plugin.cli.export_command import export
from rim_plugin.cli.gallery_command import gallery
from rim_plugin.cli.hallucinate_command import hallucinate
from rim_plugin.cli.pack_command import pack
from rim_plugin.cli.prepare_command import prepare
from rim_plugin.cli.verify_command import verify

__all__ = ['export', 'gallery', 'hallucinate', 'pack', 'prepare', 'verify']
