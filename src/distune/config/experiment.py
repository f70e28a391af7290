"""The whole config of an experiment; a field's text is its documentation everywhere."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from distune.config.data import DataConfig
from distune.config.model import StudentConfig, TeacherConfig
from distune.config.search_space import SearchParameter
from distune.config.section import ConfigSection
from distune.config.study import StudyConfig
from distune.config.training import CacheConfig, DistillationConfig, TrainingConfig


class Config(ConfigSection):
    """One experiment, complete: every default is written out in the run folder."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)] = "medpix"
    """Short name of the data set; names runs and studies."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 42
    """Seeds everything: weights, order, dropout, views, the sampler."""
    data: DataConfig = DataConfig()
    teacher: TeacherConfig = TeacherConfig()
    student: StudentConfig = StudentConfig()
    distillation: DistillationConfig = DistillationConfig()
    training: TrainingConfig = TrainingConfig()
    cache: CacheConfig = CacheConfig()
    search_space: dict[str, SearchParameter] = Field(default_factory=dict)
    """Parameters that override or join the default search space, by name."""
    study: StudyConfig = StudyConfig()

    @model_validator(mode="after")
    def _what_is_dropped_may_be_missing(self) -> Config:
        for role in ("teacher", "student"):
            if getattr(self, role).modality_dropout and self.data.missing != "allow":
                raise ValueError(
                    f"{role}.modality_dropout needs data.missing: allow, which lets inputs be missing"
                )
        return self

    @model_validator(mode="after")
    def _texts_come_from_somewhere(self) -> Config:
        if self.data.reader == "csv" and self.data.text_column is None:
            readers = [role for role in ("teacher", "student") if "text" in getattr(self, role).modalities]
            if readers:
                raise ValueError(
                    f"data.text_column is empty, but {' and '.join(readers)} read a text; name the column, or set "
                    + ", ".join(f"{role}.text: none" for role in readers)
                )
        return self

    def replace(self, **values: Any) -> Config:
        """A copy with other values, validated as a whole.

        Args:
            values: by dotted key; a section's are a mapping, which keeps its other values.

        Raises:
            ConfigError: a key does not exist, or a value breaks a rule.
            UserError: a key has two values.

        Example:
            >>> from distune import Config
            >>> Config().replace(**{"student.lr": 1e-3, "seed": 7}).student.lr
            0.001
        """
        from distune.config.files import by_key, with_values

        return with_values(self, by_key(self, values))
