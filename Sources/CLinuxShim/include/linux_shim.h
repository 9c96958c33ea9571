#pragma once
// C that Swift cannot express: variadic system calls and the single-threaded entry of a lab.
