"""The data that the recipe in asr1 prepared, with its teacher's outputs."""

from espnet3.components.data.base_dataset import BaseDataset
from espnet3.contract import Field

from espnet_tutornet.tasks.espnet3 import DataDirectory


class Dataset(DataDirectory, BaseDataset):
    """Speech and text, and the stream ``teacher`` where there is a cache."""

    fields = (Field("speech", "audio"), Field("text", "text"))
