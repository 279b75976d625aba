"""What the talking code display says, heard by a speech recogniser."""

import array
import json
import subprocess
import sys
import wave
from pathlib import Path

from pocketsphinx import Decoder

WORDS = "zero one two three four five six seven eight nine".split()


def main() -> int:
    display, work = sys.argv[1], Path(sys.argv[2])
    one = f"({'|'.join(WORDS)})"
    grammar = work / "digits.gram"
    grammar.write_text(f"#JSGF V1.0; grammar digits; public <code> = {' '.join([one] * 6)};")
    decoder = Decoder(jsgf=str(grammar), samprate=16000, loglevel="FATAL")

    def heard(wav: Path) -> str:
        with wave.open(str(wav)) as sound:
            assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (16000, 1, 2)
            samples = sound.readframes(sound.getnframes())
        decoder.start_utt()
        decoder.process_raw(samples, full_utt=True)
        decoder.end_utt()
        found = decoder.hyp()
        return "".join(str(WORDS.index(word)) for word in found.hypstr.split()) if found else ""

    def run(*arguments: str) -> str:
        file = ["--file", str(work / "display.json")]
        return subprocess.run([display, *file, *arguments], check=True, capture_output=True, text=True).stdout

    run("new", "--serial", "1", "--pskc", str(work / "display.xml"))
    passed = failed = 0

    def check(name: str, said: str, code: str) -> None:
        nonlocal passed, failed
        good = said == code
        passed, failed = passed + good, failed + (not good)
        print(f"test {name} ... {'ok' if good else f'FAILED: heard {said}, the code is {code}'}")

    def next_code() -> str:
        """The code of the next press, read without pressing: the file is put back."""
        before = (work / "display.json").read_bytes()
        code = run("show").replace(" ", "").strip()
        (work / "display.json").write_bytes(before)
        return code

    for number in range(20):
        code, wav = next_code(), work / "code.wav"
        run("speak", "--language", "en", "--times", "1", "--wav", str(wav))
        check(f"code_{number}", heard(wav), code)
    for speed in ("0.8", "1.25"):
        code, wav = next_code(), work / "code.wav"
        run("speak", "--language", "en", "--times", "1", "--speed", speed, "--volume", "0.6", "--wav", str(wav))
        check(f"at_speed_{speed}", heard(wav), code)
    # The recogniser must not be one that hears what it is told: silence and another code are neither.
    with wave.open(str(work / "silence.wav"), "wb") as sound:
        sound.setnchannels(1), sound.setsampwidth(2), sound.setframerate(16000)
        sound.writeframes(array.array("h", [0] * 32000).tobytes())
    check("silence_is_no_code", heard(work / "silence.wav"), "")
    before = json.loads((work / "display.json").read_text())["pressed"]
    assert before == 22, before
    print(f"test result: {'ok' if not failed else 'FAILED'}. {passed} passed; {failed} failed; 0 ignored")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
