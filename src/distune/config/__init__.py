"""The experiment's config: typed sections and the YAML files that fill them."""

from distune.config.files import (
    as_dict,
    dump_config,
    known_keys,
    laid_over,
    load_config,
    parse_config,
    save_config,
    value_at,
    with_values,
)
from distune.config.sections import (
    CacheConfig,
    Config,
    DataConfig,
    DistillationConfig,
    EncoderConfig,
    FoldConfig,
    Modality,
    ModelConfig,
    SearchParameter,
    StudentConfig,
    TeacherConfig,
    TrainingConfig,
)
from distune.config.study import StudyConfig

__all__ = [
    "CacheConfig",
    "Config",
    "DataConfig",
    "DistillationConfig",
    "EncoderConfig",
    "FoldConfig",
    "Modality",
    "ModelConfig",
    "SearchParameter",
    "StudentConfig",
    "StudyConfig",
    "TeacherConfig",
    "TrainingConfig",
    "as_dict",
    "dump_config",
    "known_keys",
    "laid_over",
    "load_config",
    "parse_config",
    "save_config",
    "value_at",
    "with_values",
]
