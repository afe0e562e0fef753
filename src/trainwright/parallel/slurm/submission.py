"""A run as a job: checked, its directory made, its script written and submitted; nothing stays of one that Slurm refuses."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trainwright.config.errors import ConfigError
from trainwright.files.text import write_text
from trainwright.files.whole import remove_empty
from trainwright.parallel.launchers.base import Command
from trainwright.parallel.slurm.asking import ask, own_words, read_settings, requeue_delay, requeues_by_code
from trainwright.parallel.slurm.options import SlurmOptions
from trainwright.parallel.slurm.records import FOLDER, record_job, refuse_waiting
from trainwright.parallel.slurm.request import Request, read_request
from trainwright.parallel.slurm.script import command_body, run_body, write_script
from trainwright.runs.directory import RunDirectory, folder_name

SCRIPT = "job.sh"


@dataclass(frozen=True)
class Plan:
    """What is asked of Slurm, and how the job comes back."""

    options: SlurmOptions
    request: Request
    by_exit: bool
    """Whether the controller requeues a job that ends with 75."""
    delay: int
    """Seconds that a requeued job waits before it may begin."""

    @property
    def comes_back(self) -> str:
        """What happens when the time is nearly over, in words."""
        signal = self.options.signal
        if self.options.requeue == "never":
            return "launch.requeue is never: a run that was saved is continued by you"
        when = f"{signal.seconds} s before the end ({signal.name})" if signal.name else "when it is told to end"
        return f"saved {when}, requeued, and continued about {self.delay} s later"


def make_plan(options: SlurmOptions, device: str) -> Plan:
    """What a job with these options is to be. Raises ConfigError for what the cluster cannot give."""
    ask(["sbatch", "--version"])
    request, settings = read_request(options, device), read_settings()
    by_exit = requeues_by_code(settings)
    if options.requeue == "exit" and not by_exit:
        has = settings.get("RequeueExit", "(null)")
        why = f"the controller's RequeueExit is {has}, so a job that ends with 75 has failed for it"
        fix = "launch.requeue=scontrol, or auto"
        raise ConfigError("the controller does not requeue by exit code", where="launch.requeue", why=why, fix=fix)
    return Plan(options, request, by_exit, requeue_delay(settings))


def sbatch_options(plan: Plan, name: str, log: Path) -> list[str]:
    """The options of sbatch; they stand in the script too, and come first here, where the variables SBATCH_… do not overrule them."""
    options = plan.options
    assert options.time is not None  # noqa: S101 (a plan has one)
    made = [f"--job-name={name}", f"--time={options.time.slurms}", *plan.request.sbatch]
    named = {"partition": options.partition, "account": options.account, "qos": options.qos, "mem": options.memory, "gres": options.gres}
    made += [f"--{key}={value}" for key, value in named.items() if value]
    made += [f"--cpus-per-task={options.cpus}"] if options.cpus else []
    made += [f"--signal={options.signal}"] if options.signal.name else []
    made += ["--no-requeue" if options.requeue == "never" else "--requeue", "--open-mode=append"]
    return [*made, f"--output={log}", f"--chdir={Path.cwd()}"]


def submit_run(command: Command, options: SlurmOptions) -> str:
    """Submit a job that does a command, and say what is to be known of it; the job's number.

    Raises ConfigError or RunError, before anything is written, for what cannot be.
    """
    plan = make_plan(options, command.device)
    if command.run_dir:
        refuse_waiting(Path(command.run_dir))  # first: that it is taken too would send a person the wrong way
    name = command.name_run()
    absent = absent_folders(Path(command.run_dir or Path("runs") / folder_name(name)))
    with RunDirectory.create(command.run_dir, name, resume=command.resume) as run:
        refuse_waiting(run.path)  # the latest of that name, where no directory was named
        try:
            job = submit_in(run, plan, options.name or folder_name(name), command)
        except BaseException:
            undo(run, absent)
            raise
    print(describe_submission(plan, job, run.path), flush=True)
    return job


def submit_in(run: RunDirectory, plan: Plan, name: str, command: Command) -> str:
    """The number of a job for a run whose directory is locked, submitted and written down."""
    folder, begun = run.path.absolute(), run.config.is_file()
    words = [*command.words, *(["--traceback"] if command.whole else [])]
    words = [*words, f"run.dir={folder}"] if command.words[0] == "train" or not command.resume else words
    if begun:
        body = command_body(plan.options, shlex.join(words))
    else:
        body = run_body(plan.options, folder, words, ["resume", str(folder)])
        run.update(status="queued")
    run.close()  # the job may begin before sbatch has answered
    sbatch = sbatch_options(plan, name, Path(str(folder).replace("%", "%%")) / FOLDER / "job-%j.log")
    return submit_script(folder, plan, sbatch, body, ["trainwright", *command.words])


def submit_script(folder: Path, plan: Plan, sbatch: Sequence[str], body: str, command: Sequence[str]) -> str:
    """Write the script of a job beside its logs, submit it, and write down the number that it has. Raises ConfigError in sbatch's words."""
    place = folder / FOLDER / SCRIPT
    place.parent.mkdir(parents=True, exist_ok=True)
    write_text(place, write_script(plan.options, sbatch, body, by_exit=plan.by_exit, command=command, place=place))
    place.chmod(0o755)
    own = [word for line in plan.options.lines for word in shlex.split(line)]
    words = ["sbatch", "--parsable", *sbatch, *own, str(place)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    job = done.stdout.strip().partition(";")[0]
    if done.returncode or not job.isdigit():
        why = f"sbatch: {own_words(done.stderr)}"
        raise ConfigError("Slurm does not take this job", where="launch", why=why, fix="nothing was submitted; change what sbatch names")
    record_job(folder, job, SCRIPT, log_name(sbatch, job))
    return job


def log_name(sbatch: Sequence[str], job: str) -> str:
    """The name of the file that the job prints into."""
    output = next(each.partition("=")[2] for each in sbatch if each.startswith("--output="))
    return Path(output).name.replace("%j", job).replace("%A", job)


def absent_folders(place: Path) -> list[Path]:
    """The folders at and above a place that are not there, the innermost first."""
    return [each for each in (place.absolute(), *place.absolute().parents) if not each.exists()]


def undo(run: RunDirectory, absent: Sequence[Path]) -> None:
    """Leave a directory as it was before a job was refused: nothing of a new one."""
    if run.resumed:
        (run.path / FOLDER / SCRIPT).unlink(missing_ok=True)
        remove_empty([run.path / FOLDER])
    else:
        shutil.rmtree(run.path, ignore_errors=True)
        remove_empty(each for each in absent if each.exists())


def describe_submission(plan: Plan, job: str, folder: Path) -> str:
    """What is to be known of a job that was submitted."""
    request, options, there = plan.request, plan.options, shlex.quote(str(folder))
    nodes = f"{request.nodes} nodes of " if request.nodes > 1 else ""
    tasks = f"{request.tasks} processes" if request.tasks > 1 else "1 process"
    gpus = f" with {request.gpus} GPUs" if request.gpus else ""
    where = ",".join(each.name for each in request.partitions)
    log = f"{there}/{FOLDER}/job-{job}.log"
    rows = {
        "job": f"{job} in partition {where}: {nodes}{tasks}{gpus}, {options.time}",
        "run": str(folder),
        "log": log,
        "then": plan.comes_back,
        "watch": f"trainwright runs --slurm; tail -F {log}",
        "cancel": f"scancel {job}",
        "continue": f"trainwright resume {there}",
    }
    down = [each.name for each in request.partitions if not each.up]
    if down:
        rows["note"] = f"partition {', '.join(down)} is down now: the job waits"
    return "\n".join(f"{name + ':':<10}{each}" for name, each in rows.items())
