/// The program of pods' sandboxes: the first process of a pod, which holds its namespaces and does nothing.
///
/// It is a static x86-64 executable of 188 bytes, since a sandbox sees nothing but the files of its image: containerd
/// 1.6 mounts what `base_runtime_spec` names into containers, and not into sandboxes. Where the containers of a pod
/// share its process namespace, ended ones become its children, which the kernel then takes away by itself
/// (`SIG_IGN`, sigaction(2)).
enum SandboxProgram {
    private static let address: UInt64 = 0x40_0000
    private static let headers = 64 + 56

    /// The file, as elf(5) says.
    static var file: [UInt8] {
        let size = UInt64(headers + code.count)
        var bytes: [UInt8] = [0x7f] + Array("ELF".utf8) + [2, 1, 1] + [UInt8](repeating: 0, count: 9)
        func put(_ value: some FixedWidthInteger) { withUnsafeBytes(of: value.littleEndian) { bytes += $0 } }
        // An executable of x86-64, its first instruction, its one program header behind this one.
        for value: UInt16 in [2, 62] { put(value) }
        put(UInt32(1))
        for value in [address + UInt64(headers), 64, 0] { put(value) }
        put(UInt32(0))
        for value: UInt16 in [64, 56, 1, 64, 0, 0] { put(value) }
        // All of the file is loaded, to be read and executed.
        for value: UInt32 in [1, 5] { put(value) }
        for value in [0, address, address, size, size, 0x1000] { put(value) }
        return bytes + code
    }

    private static let code: [UInt8] = [
        // mov eax, 13 (rt_sigaction); mov edi, 17 (SIGCHLD); lea rsi, [rip + 19]; xor edx, edx; mov r10d, 8; syscall
        0xb8, 0x0d, 0x00, 0x00, 0x00, 0xbf, 0x11, 0x00, 0x00, 0x00, 0x48, 0x8d, 0x35, 0x13, 0x00, 0x00,
        0x00, 0x31, 0xd2, 0x41, 0xba, 0x08, 0x00, 0x00, 0x00, 0x0f, 0x05,
        // mov eax, 34 (pause); syscall; jmp -9
        0xb8, 0x22, 0x00, 0x00, 0x00, 0x0f, 0x05, 0xeb, 0xf7,
        // struct sigaction: SIG_IGN, SA_NOCLDWAIT, no restorer, no further signal
        0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    ]
}
