"""The experiment's config: typed sections and the YAML files that fill them."""

from distune.config.data import DataConfig, FoldConfig, ScoreName, TaskConfig, TaskKind
from distune.config.experiment import Config
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
from distune.config.model import EncoderConfig, Modality, ModelConfig, StudentConfig
from distune.config.search_space import SearchParameter, config_key_of
from distune.config.study import StudyConfig
from distune.config.training import DistillationConfig, TrainingConfig

__all__ = [
    "Config",
    "DataConfig",
    "DistillationConfig",
    "EncoderConfig",
    "FoldConfig",
    "Modality",
    "ModelConfig",
    "ScoreName",
    "SearchParameter",
    "StudentConfig",
    "StudyConfig",
    "TaskConfig",
    "TaskKind",
    "TrainingConfig",
    "as_dict",
    "config_key_of",
    "dump_config",
    "known_keys",
    "laid_over",
    "load_config",
    "parse_config",
    "save_config",
    "value_at",
    "with_values",
]
