/// The buffer that libbpf passes to the kernel for one program. libbpf keeps its address, so this is a class with a
/// fixed buffer.
final class VerifierLog {
    /// `BPF_LOG_STATS` of the kernel's `include/linux/bpf_verifier.h`.
    static let statisticsLevel: UInt32 = 4

    let program: String
    let buffer: UnsafeMutableBufferPointer<CChar>

    init(program: String) {
        self.program = program
        buffer = .allocate(capacity: 64 << 10)
        buffer.initialize(repeating: 0)
    }

    deinit {
        buffer.deallocate()
    }

    /// The number of instructions that the verifier walked. Kernels before 5.16 report it only here.
    var processedInstructions: UInt32? {
        guard let base = buffer.baseAddress else { return nil }
        return processedInstructionCount(inVerifierLog: String(cString: base))
    }
}

/// Reads `processed N insns (limit 1000000) …`, the last line of a verifier log.
func processedInstructionCount(inVerifierLog log: String) -> UInt32? {
    for line in log.split(separator: "\n").reversed() {
        let words = line.split(separator: " ")
        if words.count >= 3, words[0] == "processed", words[2] == "insns" {
            return UInt32(words[1])
        }
    }
    return nil
}
