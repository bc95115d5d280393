"""Keras's optimizers with a learning-rate multiplier for each variable."""

import keras
from keras import ops

from tl_strategies.plans.choices import OPTIMIZERS, check_optimizer


def _with_multipliers(base: type[keras.optimizers.Optimizer]) -> type[keras.optimizers.Optimizer]:
    @keras.saving.register_keras_serializable("tl_strategies", f"UnitRate{base.__name__}")
    class UnitRateOptimizer(base):
        """The base optimizer; a variable's rate, and its decay, is multiplied by its multiplier."""

        def __init__(self, *args, multipliers: dict[str, float] | None = None, **kwargs):
            super().__init__(*args, **kwargs)
            self.multipliers = dict(multipliers or {})

        def build(self, variables):
            super().build(variables)
            self._rates = {self._var_key(v): self.multipliers.get(v.path, 1.0) for v in variables}
            # Biases and normalization are vectors: decay would only distort them.
            self._decayed = {self._var_key(v) for v in variables if len(v.shape) > 1}

        def update_step(self, gradient, variable, learning_rate):
            key = self._var_key(variable)
            rate = learning_rate * self._rates[key]
            if self.weight_decay and key in self._decayed:
                decay = ops.cast(rate * self.weight_decay, variable.dtype)
                self.assign_sub(variable, ops.multiply(variable, decay))
            super().update_step(gradient, variable, rate)

        def _apply_weight_decay(self, variables):
            """Done in `update_step`, where the multiplier is known."""

        def get_config(self):
            return {**super().get_config(), "multipliers": dict(self.multipliers)}

    UnitRateOptimizer.__name__ = UnitRateOptimizer.__qualname__ = f"UnitRate{base.__name__}"
    return UnitRateOptimizer


_CLASSES = {
    key: _with_multipliers(getattr(keras.optimizers, name)) for key, name in OPTIMIZERS.items()
}


def make_optimizer(
    name: str,
    learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
    multipliers: dict[str, float] | None = None,
    weight_decay: float = 0.0,
) -> keras.optimizers.Optimizer:
    """A new optimizer.

    Args:
        name: of OPTIMIZERS, in any case; SGD gets Nesterov momentum 0.9.
        learning_rate: of variables without a multiplier.
        multipliers: by variable path.
        weight_decay: decoupled (times the learning rate); kernels only, not vectors.

    Raises:
        UsageError: see check_optimizer.
    """
    check_optimizer(name)
    options = {"momentum": 0.9, "nesterov": True} if name.lower() == "sgd" else {}
    return _CLASSES[name.lower()](
        learning_rate=learning_rate, multipliers=multipliers, weight_decay=weight_decay, **options
    )
