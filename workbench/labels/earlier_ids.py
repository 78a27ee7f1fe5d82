"""Labels under the ids of an earlier version, moved to those of today.

The unit is one standing label. Ids were once a video's name without any suffix, so that `shot.mov`
and `shot.mp4` shared one. A label says by its source which of them it is of. History is kept: the
move is appended.
"""

from collections.abc import Mapping
from pathlib import PurePosixPath

from workbench.labels.records import Entry
from workbench.labels.store import LabelStore
from workbench.labels.values import Kind


def move_labels(
    store: LabelStore,
    kind: Kind,
    video_to_id: Mapping[str, str],
    video_to_source: Mapping[str, str],
) -> int:
    """Give labels under an earlier id to the video they were said of; return how many were moved.

    Where they stood, the last label that was said of the video which has that id now stands again.
    A label that names no source moves if only one video may be meant.

    Args:
        store: Where the labels are.
        kind: Of which kind.
        video_to_id: The ids of a folder's videos, from `footage.clips.label_ids`.
        video_to_source: The source id of each.

    Raises:
        LabelStoreError: If there is one to move and the database cannot be written now.
    """
    earlier_to_videos: dict[str, list[str]] = {}
    for video in video_to_id:
        earlier = PurePosixPath(video).with_suffix("").as_posix()
        earlier_to_videos.setdefault(earlier, []).append(video)
    id_to_source = {item: video_to_source[video] for video, item in video_to_id.items()}
    standing = store.current(kind)
    moved = 0
    for (annotator, earlier), entry in standing.items():
        videos = earlier_to_videos.get(earlier, [])
        if entry.source_id is not None:
            videos = [video for video in videos if video_to_source[video] == entry.source_id]
        if len(videos) != 1 or video_to_id[videos[0]] == earlier:
            continue
        target = video_to_id[videos[0]]
        own = [
            one
            for one in store.history(kind, item_id=earlier, annotator=annotator)
            if one.source_id is not None and one.source_id == id_to_source.get(earlier)
        ]
        said = {earlier: own[-1].value if own else None}
        if (annotator, target) not in standing:
            said[target] = entry.value
        for item, value in said.items():
            source_id = own[-1].source_id if item == earlier and own else entry.source_id
            store.append(
                Entry(kind, item, value, annotator=annotator, tool=entry.tool, source_id=source_id)
            )
        moved += 1
    return moved
