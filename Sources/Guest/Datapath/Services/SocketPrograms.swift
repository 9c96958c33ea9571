import BPF
import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// The programs that translate services at the socket, attached to a control group and everything below it. They stay
/// when the agent ends.
package struct SocketPrograms: ~Copyable {
    /// The root of the node's hierarchy (cgroup v2), which includes the node itself and every pod.
    static let controlGroup = "/sys/fs/cgroup"

    private let connect: Program
    private let send: Program
    private let receive: Program
    private let peerName: Program

    private static let names = ["sock_connect4", "sock_sendmsg4", "sock_recvmsg4", "sock_getpeername4"]

    package static func take(from object: borrowing Object) throws(SystemError) -> SocketPrograms {
        SocketPrograms(
            connect: try object.program("sock_connect4"), send: try object.program("sock_sendmsg4"),
            receive: try object.program("sock_recvmsg4"), peerName: try object.program("sock_getpeername4"))
    }

    /// Attaches the programs in place of those of an earlier agent. The programs for the way back come first, so that
    /// every translated socket can be asked for its peer.
    package func attach(to controlGroup: String) throws(SystemError) {
        try peerName.attach(toControlGroup: controlGroup, .getPeerName4)
        try receive.attach(toControlGroup: controlGroup, .receiveMessage4)
        try send.attach(toControlGroup: controlGroup, .sendMessage4)
        try connect.attach(toControlGroup: controlGroup, .connect4)
    }

    /// Loads and attaches the programs, or detaches them if they are not wanted.
    static func reconcile(wanted: Bool, pins: String) throws {
        guard wanted else {
            for hook in ControlGroupHook.allCases { try Program.detach(fromControlGroup: controlGroup, hook) }
            return
        }
        let object = try KeptObject.take(.sock, programs: names, pins: pins)
        let programs = SocketPrograms(
            connect: try object.program(names[0]), send: try object.program(names[1]),
            receive: try object.program(names[2]), peerName: try object.program(names[3]))
        try programs.attach(to: controlGroup)
        Log.info("sockets are translated", ["controlGroup": controlGroup])
    }
}
