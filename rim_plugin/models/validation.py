"""stub until h4"""
from rim_plugin.options.schema import ValOptions, convert
class Validation:
    def __init__(self, model, opt):
        self.options = convert(opt.get('val') or {}, ValOptions)
