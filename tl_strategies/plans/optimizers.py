"""Keras's optimizers with what transfer needs: a rate, an age and an anchor for each variable."""

import functools

import keras
import numpy as np
from keras import ops

from tl_strategies.plans.choices import OPTIMIZERS, REFUSED, check_optimizer


@functools.cache
def _for_transfer(base: type[keras.optimizers.Optimizer]) -> type[keras.optimizers.Optimizer]:
    @keras.saving.register_keras_serializable("tl_strategies", f"UnitRate{base.__name__}")
    class UnitRateOptimizer(base):
        """The base optimizer; a variable's rate, and its decay, is multiplied by its multiplier.

        A variable's age is how many steps it was trained by optimizers before this one: bias
        corrections count from there. Anchored variables are drawn to their anchors (L2-SP,
        Li et al. 2018): the gradient of l2_sp / 2 times the squared distance is added.
        """

        def __init__(self, *args, multipliers=None, anchors=None, l2_sp=0.0, **kwargs):
            super().__init__(*args, **kwargs)
            self.multipliers = dict(multipliers or {})
            self.anchors = dict(anchors or {})
            self.l2_sp = l2_sp
            self._age = None

        @property
        def iterations(self):
            return self._iterations if self._age is None else self._iterations + self._age

        def build(self, variables):
            super().build(variables)
            keys = [self._var_key(variable) for variable in variables]
            self._places = {key: place for place, key in enumerate(keys)}
            self._rates = [self.multipliers.get(v.path, 1.0) for v in variables]
            # Biases and normalization are vectors: decay would only distort them.
            self._decayed = [len(v.shape) > 1 for v in variables]
            self._anchors = [
                ops.convert_to_tensor(self.anchors[v.path], dtype=v.dtype)
                if self.l2_sp and v.path in self.anchors
                else None
                for v in variables
            ]
            self.ages = keras.Variable([0] * len(variables), dtype="int32", trainable=False)

        def update_step(self, gradient, variable, learning_rate):
            place = self._places[self._var_key(variable)]
            rate = learning_rate * self._rates[place]
            if self.weight_decay and self._decayed[place]:
                decay = ops.cast(rate * self.weight_decay, variable.dtype)
                self.assign_sub(variable, ops.multiply(variable, decay))
            if self._anchors[place] is not None:
                gradient = gradient + self.l2_sp * (variable - self._anchors[place])
            self._age = self.ages[place]
            super().update_step(gradient, variable, rate)
            self._age = None

        def _apply_weight_decay(self, variables):
            """Done in `update_step`, where the multiplier is known."""

        def get_config(self):
            anchors = {path: np.asarray(value).tolist() for path, value in self.anchors.items()}
            own = {"multipliers": dict(self.multipliers), "anchors": anchors, "l2_sp": self.l2_sp}
            return {**super().get_config(), **own}

    UnitRateOptimizer.__name__ = UnitRateOptimizer.__qualname__ = f"UnitRate{base.__name__}"
    return UnitRateOptimizer


# Their state belongs to all variables at once, or has no path of its own.
STARTS_ANEW = ("adafactor", "nadam")
for (
    _name
) in OPTIMIZERS.values():  # known to Keras from now on, so that what was saved can be loaded
    _for_transfer(getattr(keras.optimizers, _name))


def make_optimizer(
    optimizer: str | keras.optimizers.Optimizer,
    learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
    multipliers: dict[str, float] | None = None,
    weight_decay: float = 0.0,
    anchors: dict | None = None,
    l2_sp: float = 0.0,
    scale_loss: bool = False,
) -> keras.optimizers.Optimizer:
    """A new optimizer: one by name, or of the configuration of one that is given, but for the rate.

    SGD by name gets Nesterov momentum 0.9. Multipliers of the learning rate, and anchors that l2_sp
    times the distance draws to, are by variable path. Weight decay is decoupled (times the learning
    rate), and spares vectors; an optimizer that is given may have its own. `scale_loss` is for
    float16.
    """
    named = isinstance(optimizer, str)
    name = optimizer if named else type(optimizer).__name__
    if named or name.lower() in REFUSED:
        check_optimizer(name)
    if named:
        base = getattr(keras.optimizers, OPTIMIZERS[name.lower()])
        options = {"momentum": 0.9, "nesterov": True} if name.lower() == "sgd" else {}
    else:
        base, options = type(optimizer), optimizer.get_config()
        weight_decay = weight_decay or options.get("weight_decay") or 0.0
    options |= {"learning_rate": learning_rate, "weight_decay": weight_decay, "name": name.lower()}
    made = _for_transfer(base)(multipliers=multipliers, anchors=anchors, l2_sp=l2_sp, **options)
    return keras.optimizers.LossScaleOptimizer(made) if scale_loss else made


def inner(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """The optimizer without its loss scaling."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def last_rate(optimizer: keras.optimizers.Optimizer) -> float:
    """The learning rate of the step that was taken last."""
    rate = inner(optimizer)._learning_rate
    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        rate = rate(inner(optimizer).iterations - 1)
    return float(rate)


def carry_state(old: keras.optimizers.Optimizer, new: keras.optimizers.Optimizer) -> None:
    """Give a built optimizer the slots and ages, found by path, of what an old one trained."""
    if old is not inner(old):
        new.dynamic_scale.assign(old.dynamic_scale)
    old, new = inner(old), inner(new)
    if old.name in STARTS_ANEW:
        return
    own = {id(v) for v in (new._iterations, new.ages, new._learning_rate)}
    values = {variable.path: variable for variable in old.variables}
    for variable in new.variables:
        source = values.get(variable.path)
        if id(variable) not in own and source is not None:
            variable.assign(source)
    places = {variable.path: i for i, variable in enumerate(old._trainable_variables)}
    old_ages = ops.convert_to_numpy(old.ages)
    ages = ops.convert_to_numpy(new.ages).copy()
    for i, variable in enumerate(new._trainable_variables):
        if variable.path in places:
            ages[i] = old_ages[places[variable.path]] + int(old._iterations)
    new.ages.assign(ages)
