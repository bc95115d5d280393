"""Parts for training, validation and test: stratified, seeded, and no group in two of them.

Labels are integers of shape (images,), or booleans of shape (images, labels); groups are a number
for each image.
"""

import numpy as np

PARTS = ("train", "validation", "test")
FRACTION = 0.15  # of each class, for validation and for test


def joined_groups(keys: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """A number for each image: the same for those that share their content or their group."""
    import scipy.sparse  # slow to import, and --help does not need it
    from scipy.sparse.csgraph import connected_components

    contents, content = np.unique(keys, return_inverse=True)
    if groups is None:
        return content
    nodes = len(contents) + int(groups.max()) + 1
    edges = (np.ones(len(keys)), (content, len(contents) + groups))
    graph = scipy.sparse.coo_matrix(edges, shape=(nodes, nodes))
    return connected_components(graph, directed=False)[1][content]


def split(
    labels: np.ndarray,
    seed: int,
    groups: np.ndarray | None = None,
    fractions: tuple[float, ...] = (1 - 2 * FRACTION, FRACTION, FRACTION),
) -> np.ndarray:
    """A part for each image: by default 70 % train, 15 % validation, 15 % test of each class.

    Images of one group come into one part. Fractions are of train, validation and, where there is
    one, test.
    """
    groups = np.arange(len(labels)) if groups is None else groups
    if labels.ndim == 2 or len(np.unique(groups)) < len(labels):
        return np.array(PARTS)[stratify(labels, groups, fractions, seed)]
    parts = np.full(len(labels), "train", dtype="<U10")
    for label in np.unique(labels):
        members = np.random.default_rng([seed, label]).permutation(np.flatnonzero(labels == label))
        total = len(members)
        for part, fraction in zip(PARTS[1:], fractions[1:], strict=False):
            count = min(max(1, round(fraction * total)), len(members) - 1)
            parts[members[:count]] = part
            members = members[count:]
    return parts


def stratify(
    labels: np.ndarray, groups: np.ndarray, fractions: tuple[float, ...], seed: int
) -> np.ndarray:
    """Iterative stratification (Sechidis et al. 2011) of whole groups.

    The rarest label comes first; each group that has it goes, large ones first, where most of the
    label is still wanted.

    Args:
        labels, groups: of the images.
        fractions: of all images that each part is to have, above 0.
        seed: of the order among equals.

    Returns:
        The number of a part for each image.
    """
    import scipy.sparse

    if labels.ndim == 1:
        images = np.arange(len(labels))
        labels = scipy.sparse.csr_matrix((np.ones(len(labels)), (images, labels)))
    else:
        labels = scipy.sparse.csr_matrix(labels.astype(float))
    _, group_of = np.unique(groups, return_inverse=True)
    sizes = np.bincount(group_of)
    member = scipy.sparse.csr_matrix((np.ones(len(group_of)), (group_of, np.arange(len(group_of)))))
    counts = (member @ labels).tocsr()
    holders = counts.tocsc()
    left = np.asarray(counts.sum(axis=0)).ravel()
    fractions = np.asarray(fractions) / sum(fractions)
    wanted = np.outer(left, fractions)
    enough = np.diff(holders.indptr) >= len(fractions)
    wanted[enough] = np.maximum(wanted[enough], 1)
    room = len(group_of) * fractions
    rank = np.random.default_rng(seed).permutation(len(sizes))
    part_of = np.full(len(sizes), -1)

    def place(group: int, most: np.ndarray) -> None:
        part = max(range(len(room)), key=lambda part: (most[part], room[part]))
        part_of[group] = part
        row = slice(counts.indptr[group], counts.indptr[group + 1])
        wanted[counts.indices[row], part] -= counts.data[row]
        left[counts.indices[row]] -= counts.data[row]
        room[part] -= sizes[group]

    while (left > 0).any():
        label = np.where(left > 0, left, np.inf).argmin()
        having = holders.indices[holders.indptr[label] : holders.indptr[label + 1]]
        for group in having[np.lexsort((rank[having], -sizes[having]))]:
            if part_of[group] < 0:
                place(group, wanted[label])
    for group in np.flatnonzero(part_of < 0):  # without a label
        place(group, room)
    return part_of[group_of]


def take(labels: np.ndarray, positions: np.ndarray, count: int, seed: int) -> np.ndarray:
    """So many of some positions, in proportion to their classes, at least one of each.

    A larger count, which is at least that of the classes, takes what a smaller one does, and more.
    """
    if count >= len(positions):
        return positions
    if labels.ndim == 2:
        fractions = (count, len(positions) - count)
        chosen = stratify(labels[positions], np.arange(len(positions)), fractions, seed) == 0
        ordered = [*np.flatnonzero(chosen), *np.flatnonzero(~chosen)]
        return np.sort(positions[ordered[:count]])
    classes, counts = np.unique(labels[positions], return_counts=True)
    share = count * counts / len(positions)
    quota = np.maximum(1, np.floor(share).astype(int))
    quota[np.argsort(quota - share, kind="stable")[: max(0, count - quota.sum())]] += 1
    while quota.sum() > count:
        quota[np.argmax(quota)] -= 1
    return _of_each(labels, positions, dict(zip(classes, quota, strict=True)), seed)


def take_shots(labels: np.ndarray, positions: np.ndarray, shots: int, seed: int) -> np.ndarray:
    """So many positions of each class; of several labels an image, at least so many."""
    if labels.ndim == 1:
        return _of_each(labels, positions, dict.fromkeys(np.unique(labels), shots), seed)
    chosen = np.zeros(len(labels), bool)
    order = np.random.default_rng(seed).permutation(positions)
    for label in np.argsort(labels[positions].sum(axis=0), kind="stable"):
        having = order[labels[order, label] & ~chosen[order]]
        chosen[having[: max(0, shots - labels[chosen, label].sum())]] = True
    return np.flatnonzero(chosen)


def _of_each(
    labels: np.ndarray, positions: np.ndarray, quota: dict[int, int], seed: int
) -> np.ndarray:
    chosen = []
    for label, count in quota.items():
        draws = np.random.default_rng([seed, label, 1])
        chosen.append(draws.permutation(positions[labels[positions] == label])[:count])
    return np.sort(np.concatenate(chosen))
