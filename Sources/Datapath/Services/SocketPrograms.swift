import BPF
import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// The programs that translate services at the socket, on a control group and all below it. They stay when the agent ends.
struct SocketPrograms: ~Copyable {
    /// The root of the node's hierarchy (cgroup v2): the node itself and every pod.
    static let controlGroup = "/sys/fs/cgroup"

    private let connect: Program
    private let send: Program
    private let receive: Program
    private let peerName: Program

    static func take(from object: borrowing Object) throws(SystemError) -> SocketPrograms {
        SocketPrograms(
            connect: try object.program("sock_connect4"), send: try object.program("sock_sendmsg4"),
            receive: try object.program("sock_recvmsg4"), peerName: try object.program("sock_getpeername4"))
    }

    /// In the place of what an earlier agent attached. The way back first: no socket is translated that cannot be asked for
    /// its peer.
    func attach(to controlGroup: String) throws(SystemError) {
        try peerName.attach(toControlGroup: controlGroup, .getPeerName4)
        try receive.attach(toControlGroup: controlGroup, .receiveMessage4)
        try send.attach(toControlGroup: controlGroup, .sendMessage4)
        try connect.attach(toControlGroup: controlGroup, .connect4)
    }

    /// What the kernel says of them, loaded without anything pinned.
    static func facts() throws -> [ProgramFacts] {
        var object = try EmbeddedObject.sock.open()
        try object.load()
        return try object.programNames.map { name in
            let program = try object.program(name)
            return ProgramFacts(
                program: name, object: object.name, instructions: program.instructionCount,
                verifiedInstructions: program.verifiedInstructions)
        }
    }

    /// Loads them, or takes them away where they are not wanted.
    static func reconcile(wanted: Bool, pins: String) throws {
        guard wanted else {
            for hook in ControlGroupHook.allCases { try Program.detach(fromControlGroup: controlGroup, hook) }
            return
        }
        var object = try EmbeddedObject.sock.open()
        object.setPinDirectory(pins)
        try object.load()
        try SocketPrograms.take(from: object).attach(to: controlGroup)
        Log.info("sockets are translated", ["controlGroup": controlGroup])
    }
}
