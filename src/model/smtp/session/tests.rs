//! What the golden dialogues cannot show: time, memory, the shell's faults, and what must not happen twice.

use super::*;
