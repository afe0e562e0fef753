"""What a job asks for in numbers, with what follows from the partition, and whether the cluster can ever give it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.parallel.slurm.asking import Machines, Partition, memory_of, read_partitions
from trainwright.parallel.slurm.options import SlurmOptions
from trainwright.parallel.slurm.times import describe_seconds


@dataclass(frozen=True)
class Request:
    """Nodes, and what each of them is to have."""

    partitions: list[Partition]
    """Those that are named, or the cluster's default."""
    nodes: int
    tasks: int
    """Processes on each node."""
    cpus: int
    """Processors on each node."""
    memory: int
    """MiB on each node; 0 where nothing is said."""
    resources: Mapping[str, int]
    """`gpu`, `gpu:a100`, … → how many on each node."""
    gpus: int
    """GPUs that are asked for by their number, not in `gres`."""

    @property
    def sbatch(self) -> list[str]:
        """The options of sbatch for it."""
        made = [f"--nodes={self.nodes}", f"--ntasks-per-node={self.tasks}"]
        return [*made, f"--gpus-per-node={self.gpus}"] if self.gpus else made


def read_request(options: SlurmOptions, device: str) -> Request:
    """What a job with these options needs. Raises ConfigError for what the cluster can never give: Slurm itself would often wait."""
    if options.time is None:
        fix = "write for example launch.time=30m"
        raise ConfigError("the time of the job is missing", where="launch.time", why=_usual_time(options), fix=fix)
    chosen = choose_partitions(options.partition, read_partitions())
    gres = read_gres(options.gres)
    tasks = count_tasks(options, chosen)
    gpus = count_gpus(options, chosen, tasks, device, gres)
    if gpus and gpus < tasks and device != "cpu":
        fix = f"ask for {tasks} GPUs, or for {gpus} processes (launch.devices); run.device=cpu uses none"
        raise ConfigError(
            f"{tasks} processes and {gpus} GPUs on a node", where="launch.gpus", why="each process has one of its own", fix=fix
        )
    resources = {**gres, **({"gpu": gpus} if gpus else {})}
    memory = memory_of(options.memory) if options.memory else 0
    made = Request(chosen, options.nodes, tasks, tasks * (options.cpus or 1), memory, resources, gpus)
    fitting = [each for each in chosen if not what_is_too_much(made, each, options)]
    if not fitting:
        raise next(error for each in chosen if (error := what_is_too_much(made, each, options)))
    return made


def _usual_time(options: SlurmOptions) -> str:
    """What the partition says of the time of its jobs."""
    chosen = choose_partitions(options.partition, read_partitions())[0]
    longest = "has no limit" if chosen.limit is None else f"allows up to {describe_seconds(chosen.limit)}"
    return f"partition {chosen.name} {longest}; a short job begins sooner, and it goes on by itself after each"


def choose_partitions(named: str, found: Sequence[Partition]) -> list[Partition]:
    """The partitions of these names (with commas between), or the default one. Raises ConfigError for a name that none has."""
    known = {each.name: each for each in found}
    if not named:
        chosen = [each for each in found if each.default]
        if not chosen:
            fix = f"name one: launch.partition={next(iter(known), 'NAME')}; {did_you_mean('', known)}"
            raise ConfigError("this cluster has no default partition", where="launch.partition", fix=fix)
        return chosen
    names = [each.strip() for each in named.split(",")]
    strange = next((each for each in names if each not in known), None)
    if strange is not None:
        raise ConfigError(f"there is no partition '{strange}'", where="launch.partition", fix=did_you_mean(strange, known))
    return [known[each] for each in names]


def read_gres(text: str) -> dict[str, int]:
    """How many of each resource `gpu:a100:2,fs` asks for. Raises ConfigError for another form."""
    found: dict[str, int] = {}
    for each in filter(None, (part.strip() for part in text.split(","))):
        name, *rest = each.split(":")
        if not name.replace("_", "").isalnum() or len(rest) > 2 or (len(rest) == 2 and not rest[1].isdigit()):
            fix = "write name, name:number or name:type:number: gpu:a100:2"
            raise ConfigError(f"'{each}' is no resource", where="launch.gres", fix=fix)
        count = int(rest.pop()) if rest and rest[-1].isdigit() else 1
        found[":".join([name, *rest])] = count
    return found


def count_tasks(options: SlurmOptions, chosen: Sequence[Partition]) -> int:
    """Processes on each node; `auto` as many as a node has GPUs."""
    if options.devices != "auto":
        return options.devices
    return max(1, min((each.gpus for each in chosen if each.gpus), default=1))


def count_gpus(options: SlurmOptions, chosen: Sequence[Partition], tasks: int, device: str, gres: Mapping[str, int]) -> int:
    """GPUs on each node that are asked for by number."""
    if options.gpus != "auto":
        return options.gpus
    named = any(each.partition(":")[0] == "gpu" for each in gres)
    return tasks if device != "cpu" and not named and all(each.gpus for each in chosen) else 0


def what_is_too_much(request: Request, partition: Partition, options: SlurmOptions) -> ConfigError | None:
    """The error for the first thing that a partition cannot give; None where it can give all."""
    assert options.time is not None  # noqa: S101 (looked at before)
    if partition.limit is not None and options.time.seconds > partition.limit:
        longest = describe_seconds(partition.limit)
        why = f"partition {partition.name} allows up to {longest}, and Slurm would let the job wait for ever"
        fix = f"write launch.time='{longest}': the run is requeued and goes on"
        return ConfigError(f"{options.time} is too long", where="launch.time", why=why, fix=fix)
    lead = options.signal.seconds
    if options.signal.name and lead + 60 > options.time.seconds:
        why = f"the job has {options.time}, and Slurm may send it up to a minute early"
        fix = "ask for more time, or for a later signal: launch.signal=USR1@30"
        return ConfigError(f"the signal {options.signal} comes too early", where="launch.signal", why=why, fix=fix)
    most = min(partition.nodes, partition.most_nodes or partition.nodes)
    if request.nodes > most:
        why = f"partition {partition.name} has {partition.nodes}" + (f", and a job may have {most}" if most < partition.nodes else "")
        return too_many(f"{request.nodes} nodes are too many", "launch.nodes", why, f"ask for {most} or fewer")
    return too_much_of_a_node(request, partition, options)


def too_much_of_a_node(request: Request, partition: Partition, options: SlurmOptions) -> ConfigError | None:
    """The error for the first thing that too few nodes of a partition have; None where enough have all."""
    each_cpu = f" of {options.cpus} processors" if options.cpus else ""
    what = f"{request.tasks} processes{each_cpu} need {request.cpus} processors"
    fix = "ask for fewer processes on more nodes (launch.devices, launch.nodes)" + (", or for fewer launch.cpus" if options.cpus else "")
    left = [each for each in partition.machines if each.cpus >= request.cpus]
    if too_few(left, request):
        return not_in_nodes(partition, request, what, "launch.devices", describe(partition, "cpus", "processors"), fix)
    if request.memory:
        left = [each for each in left if each.memory >= request.memory]
        if too_few(left, request):
            told = describe(partition, "memory", "MiB of memory")
            return not_in_nodes(partition, request, f"{options.memory} of memory", "launch.memory", told, "ask for less")
    for name, count in request.resources.items():
        known = sorted({key for each in partition.machines for key in each.resources})
        where = "launch.gpus" if name == "gpu" and request.gpus else "launch.gres"
        if name not in known:
            has = f"partition {partition.name} has {', '.join(known) or 'none beside processors and memory'}"
            return ConfigError(f"there is no resource '{name}'", where=where, why=has, fix=did_you_mean(name, known) or "leave it out")
        left = [each for each in left if each.resources.get(name, 0) >= count]
        if too_few(left, request):
            most = max(each.resources.get(name, 0) for each in partition.machines)
            fix = f"ask for {most} or fewer on each node"
            return not_in_nodes(partition, request, f"{count} of '{name}'", where, f"they have up to {most}", fix)
    return None


def too_few(machines: Sequence[Machines], request: Request) -> bool:
    """Whether these nodes are fewer than are asked for."""
    return sum(each.count for each in machines) < request.nodes


def describe(partition: Partition, name: str, unit: str) -> str:
    """What the nodes of a partition have, in words."""
    return "they have " + " or ".join(dict.fromkeys(f"{getattr(each, name)} {unit}" for each in partition.machines))


def not_in_nodes(partition: Partition, request: Request, what: str, where: str, told: str, fix: str) -> ConfigError:
    """The error for nodes that have too little."""
    nodes = f"{request.nodes} nodes" if request.nodes > 1 else "a node"
    return too_many(f"{what} on a node", where, f"partition {partition.name} has not {nodes} with so much ({told})", fix)


def too_many(what: str, where: str, why: str, fix: str) -> ConfigError:
    """The error for a job that would be accepted and never begin."""
    return ConfigError(what, where=where, why=f"{why}; Slurm would let the job wait for ever", fix=fix)
