"""One training step of the original's networks in TensorFlow: prints the median as a JSON line.

Needs tensorflow; `bench-training` runs it. The networks are the Keras notebook's, the batch is random and fixed, the
step is compiled by tf.function as `fit` does it.
"""

import numpy as np
import tensorflow as tf
from tensorflow.keras import Model, layers
from training_step import CLASSES, COORDINATES, PARAMETERS, SIDE, options, tell



def conv_norm(x, filters, kernel, pool=False):
    x = layers.Conv2D(filters, kernel, padding="same" if kernel == 3 else "valid")(x)
    if pool:
        x = layers.MaxPool2D(2)(x)
    return layers.BatchNormalization()(x)


def block(x, inner, outer, shrink):
    """The three layers of a residual block; a shrinking one also narrows its shortcut."""
    shortcut = conv_norm(x, outer, 1, pool=True) if shrink else x
    x = layers.ReLU()(conv_norm(x, inner, 1, pool=shrink))
    x = layers.ReLU()(conv_norm(x, inner, 3))
    return layers.ReLU()(layers.Add()([conv_norm(x, outer, 1), shortcut]))


def network(task):
    inputs = layers.Input((SIDE, SIDE, 1))
    x = layers.Conv2D(64, 7, strides=2)(layers.ZeroPadding2D(3)(inputs))
    x = layers.MaxPool2D(3, strides=2)(layers.ReLU()(layers.BatchNormalization()(x)))
    for inner, outer in ((64, 256), (128, 512)):
        for shrink in (True, False, False):
            x = block(x, inner, outer, shrink)
    if task == "keypoints":
        x = layers.Flatten()(layers.AveragePooling2D(2)(x))
        x = layers.Dropout(0.2)(layers.Dense(4096, activation="relu")(x))
        x = layers.Dropout(0.1)(layers.Dense(2048, activation="relu")(x))
        x = layers.Dense(COORDINATES, activation="relu")(x)
    else:
        x = layers.Dense(CLASSES, activation="softmax")(layers.Flatten()(layers.AveragePooling2D(4)(x)))
    model = Model(inputs, x)
    assert model.count_params() == PARAMETERS[task], model.count_params()
    return model


def main():
    arguments = options(__doc__).parse_args()
    numbers = np.random.default_rng(42)
    faces = tf.constant(numbers.random((arguments.batch, SIDE, SIDE, 1), dtype=np.float32))
    if arguments.task == "keypoints":
        loss = tf.keras.losses.MeanSquaredError()
        target = numbers.random((arguments.batch, COORDINATES), dtype=np.float32) * SIDE
    else:
        loss = tf.keras.losses.CategoricalCrossentropy()
        target = np.eye(CLASSES, dtype=np.float32)[numbers.integers(0, CLASSES, arguments.batch)]
    target = tf.constant(target)
    model = network(arguments.task)
    optimiser = tf.keras.optimizers.Adam(8e-4)
    optimiser.build(model.trainable_variables)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            value = loss(target, model(faces, training=True))
        gradients = tape.gradient(value, model.trainable_variables)
        optimiser.apply_gradients(zip(gradients, model.trainable_variables))
        return value

    tell(arguments, "tensorflow", tf.__version__, lambda: step().numpy())


if __name__ == "__main__":
    main()
