"""``vidstyle cache``: what lies in the cache, whether it is whole, and making room."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from vidstyle.cli.common import cache_option, cache_root, json_option, print_json, print_table
from vidstyle.cli.values import Age, Size
from vidstyle.errors import InputError, StoreError

if TYPE_CHECKING:
    from vidstyle.store.contents import Contents, Leftover, ShelfContents
    from vidstyle.store.prune import Pruned
    from vidstyle.store.verify import Verified

Command = TypeVar("Command", bound=Callable[..., Any])

STAGES = ("scan", "decode", "flow", "consistency", "stylize", "encode")


def say(line: str) -> None:
    click.echo(f"vidstyle: {line}", err=True)


def stage_option(command: Command) -> Command:
    return click.option(
        "--stage", "stages", type=click.Choice(STAGES), multiple=True, help="Only this stage; repeatable"
    )(command)


@click.group()
def cache() -> None:
    """Look into the cache, check it, and make room."""


@cache.command()
@click.argument("job", required=False)
@stage_option
@cache_option
@json_option
def ls(job: str | None, stages: tuple[str, ...], cache_dir: Path | None, as_json: bool) -> None:
    """List what there is, a line for each stage and the settings that it was made with.

    With JOB (its id, movie or output) only what that job used when it ran last.
    """
    root = cache_root(cache_dir)
    folders = None if job is None else folders_of(root, job)
    contents = look(root)
    shelves = [
        shelf
        for shelf in sorted(contents.shelves, key=lambda shelf: (shelf.movie, in_order(shelf.stage), shelf.used))
        if (not stages or shelf.stage in stages) and (folders is None or shelf.folder in folders)
    ]
    if as_json:
        print_json([shelf_row(shelf) for shelf in shelves])
    elif shelves:
        header = ("stage", "key", "of", "artifacts", "size", "last used")
        print_table(header, [tuple(shelf_cells(shelf)) for shelf in shelves])
    remark(contents)


def in_order(stage: str) -> int:
    return STAGES.index(stage) if stage in STAGES else len(STAGES)


def shelf_row(shelf: ShelfContents) -> dict[str, Any]:
    """A shelf for programs."""
    return {
        "stage": shelf.stage,
        "key": shelf.key,
        "folder": str(shelf.folder),
        "movie": shelf.movie or None,
        "styles": shelf.styles,
        "artifacts": shelf.artifacts,
        "bytes": shelf.bytes,
        "last_used": shelf.used,
    }


def shelf_cells(shelf: ShelfContents) -> Iterable[object]:
    """A shelf for people."""
    from vidstyle.store import size_text

    of = " in ".join(name for name in (base(shelf.movie), " and ".join(map(base, shelf.styles))) if name)
    first = (shelf.about.get("settings") or {}).get("first_frame") if shelf.styles else None
    where = f", from frame {first}" if first else ""
    used = time.strftime("%Y-%m-%d %H:%M", time.localtime(shelf.used))
    return shelf.stage, shelf.key[:8], (of or "unknown") + where, shelf.artifacts, size_text(shelf.bytes), used


def base(path: str) -> str:
    return os.path.basename(path)  # noqa: PTH119 (the path may be of another system)


@cache.command()
@click.option("--by", type=click.Choice(["stage", "movie"]), default="stage", help="[default: stage]")
@cache_option
@json_option
def du(by: str, cache_dir: Path | None, as_json: bool) -> None:
    """Say how large the cache is, by stage or by movie. The total is of all files that vidstyle has made there."""
    from vidstyle.store import size_text

    contents = look(cache_root(cache_dir))
    groups: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for shelf in contents.shelves:
        group = groups[shelf.stage if by == "stage" else shelf.movie or "unknown"]
        group[0] += shelf.artifacts
        group[1] += shelf.bytes
    for leftover in contents.leftovers:
        group = groups[leftover.why]
        group[0] += 1
        group[1] += leftover.bytes
    ordered = sorted(groups.items(), key=lambda item: -item[1][1])
    if as_json:
        rows = [{by: name, "artifacts": files, "bytes": length} for name, (files, length) in ordered]
        print_json({f"by_{by}": rows, "total": contents.bytes})
    else:
        cells: list[tuple[object, ...]] = [(name, files, size_text(length)) for name, (files, length) in ordered]
        rest = contents.bytes - sum(length for _, (_, length) in ordered)
        cells += [("jobs and other notes", "", size_text(rest)), ("total", "", size_text(contents.bytes))]
        print_table((by, "artifacts", "size"), cells)
    remark(contents)


@cache.command()
@stage_option
@cache_option
@json_option
def verify(stages: tuple[str, ...], cache_dir: Path | None, as_json: bool) -> None:
    """Read every artifact and check it. What is damaged is set aside, and made again when it is needed.

    Ends with 1 if something is damaged.
    """
    from vidstyle.cli.display import Display
    from vidstyle.pipeline.events import Progress
    from vidstyle.store import size_text
    from vidstyle.store.verify import verify as read_all

    contents = look(cache_root(cache_dir))
    total = sum(shelf.artifacts for shelf in contents.shelves if not stages or shelf.stage in stages)
    display = Display()

    def watch(done: int) -> None:
        if display.terminal:
            display(Progress("verify", done, total, None))

    verified = read_all(contents, stages, watch)
    display.clear()
    show_verified(verified, contents.leftovers, as_json)
    remark(contents)
    if verified.damage:
        raise StoreError(f"{len(verified.damage)} of {verified.artifacts} artifacts are damaged")
    say(f"{verified.artifacts} artifacts, {size_text(verified.bytes)}, are as they were written")


def show_verified(verified: Verified, leftovers: list[Leftover], as_json: bool) -> None:
    """A line for each file that is damaged, or that nobody can use."""
    if as_json:
        print_json(
            {
                "artifacts": verified.artifacts,
                "bytes": verified.bytes,
                "damaged": [
                    {
                        "stage": damage.stage,
                        "path": str(damage.path),
                        "reason": damage.reason,
                        "set_aside": None if damage.aside is None else str(damage.aside),
                    }
                    for damage in verified.damage
                ],
                "leftovers": [{"path": str(left.path), "bytes": left.bytes, "why": left.why} for left in leftovers],
            }
        )
        return
    for damage in verified.damage:
        where = "cannot be set aside" if damage.aside is None else f"set aside as {damage.aside.name}"
        click.echo(f"{damage.path}: {damage.reason}; {where}")
    for left in leftovers:
        click.echo(f"{left.path}: {left.why}")


@cache.command()
@stage_option
@click.option("--job", help="Only what this job used when it ran last: its id, movie or output")
@click.option("--older-than", type=Age(), help="Only what was not used for so long: 12h, 30d, 8w")
@click.option("--to", type=Size(), help="Only until the whole cache takes no more than this: 500M, 20G, 1.5T")
@click.option("--leftovers", is_flag=True, help="Only what nobody can use: damaged, unfinished, of an older layout")
@click.option("--all", "everything", is_flag=True, help="Everything, the list of jobs too")
@click.option("--dry-run", is_flag=True, help="Say what would go; remove nothing")
@cache_option
@json_option
def prune(
    stages: tuple[str, ...],
    job: str | None,
    older_than: float | None,
    to: int | None,
    leftovers: bool,
    everything: bool,
    dry_run: bool,
    cache_dir: Path | None,
    as_json: bool,
) -> None:
    """Remove what the options choose; several narrow the choice. What a running job uses stays.

    What takes least to make again goes first: frames, masks and flow before painted frames, and of these what was
    not used for longest. What nobody can use goes in any case.
    """
    from vidstyle.store.prune import Criteria
    from vidstyle.store.prune import prune as remove

    narrow = (stages, job, older_than, to)
    if not (any(choice not in (None, ()) for choice in narrow) or leftovers or everything):
        raise click.UsageError("say what may go: --older-than, --stage, --job, --to, --leftovers or --all")
    if (everything or leftovers) and (any(choice not in (None, ()) for choice in narrow) or (everything and leftovers)):
        raise click.UsageError("--all and --leftovers go with no other choice")
    root = cache_root(cache_dir)
    criteria = Criteria(
        stages=stages,
        folders=None if job is None else frozenset(folders_of(root, job)),
        unused_since=None if older_than is None else time.time() - older_than,
        to=to,
        artifacts=not leftovers,
        everything=everything,
    )
    look(root)
    show_pruned(remove(root, criteria, dry_run), to, dry_run, as_json)


def show_pruned(pruned: Pruned, to: int | None, dry_run: bool, as_json: bool) -> None:
    """What went, as data, and what did not, as remarks."""
    from vidstyle.store import size_text

    if as_json:
        freed = {kind: {"files": freed.files, "bytes": freed.bytes} for kind, freed in pruned.freed.items()}
        print_json({"dry_run": dry_run, "freed": freed, "bytes": pruned.bytes, "left": pruned.left})
    elif pruned.freed:
        cells = [(kind, freed.files, size_text(freed.bytes)) for kind, freed in pruned.freed.items()]
        print_table(("would go" if dry_run else "removed", "files", "size"), cells)
    say(
        f"{size_text(pruned.bytes)} {'would be' if dry_run else 'are'} freed, the cache "
        f"{'would take' if dry_run else 'takes'} {size_text(pruned.left)}"
    )
    for name, length in pruned.kept.items():
        say(f"{size_text(length)} stay, because {name} is running and uses them")
    if to is not None and pruned.left > to:
        say(f"that is more than {size_text(to)}: the rest was not to go, or is in use")
    if pruned.newer:
        say(f"{', '.join(pruned.newer)} is of a newer vidstyle and was left alone")


def folders_of(root: Path, name: str) -> set[Path]:
    """The folders of the shelves that a job used when it ran last. InputError if it never ran."""
    from vidstyle.cli.jobs import find_job

    job = find_job(root, name)
    if not job.uses:
        raise InputError(f"{job.id} has not run yet, or that is not known: `vidstyle resume {job.id}` runs it")
    return set(job.uses)


def look(root: Path) -> Contents:
    """What is in the cache; that there is none is said."""
    from vidstyle.store.contents import read_contents

    contents = read_contents(root)
    if not contents.bytes:
        say(f"there is no cache in {root}" if not root.exists() else f"the cache in {root} is empty")
    return contents


def remark(contents: Contents) -> None:
    """Say what nobody can use, and what is not ours to judge."""
    from vidstyle.store import size_text

    if contents.leftovers:
        length = sum(leftover.bytes for leftover in contents.leftovers)
        say(
            f"nobody can use {len(contents.leftovers)} files ({size_text(length)}), which are damaged, unfinished or "
            "of an older layout: `vidstyle cache prune --leftovers` removes them"
        )
    if contents.newer:
        say(f"{', '.join(contents.newer)} is of a newer vidstyle, and only its size is counted")
