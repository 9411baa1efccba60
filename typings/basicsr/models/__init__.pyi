from typing import Any

from basicsr.models import lr_scheduler as lr_scheduler

def build_model(opt: dict[str, Any]) -> Any: ...
