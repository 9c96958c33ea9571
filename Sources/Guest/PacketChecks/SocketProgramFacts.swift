import BPF
import Datapath

extension SocketPrograms {
    /// What the kernel reports about the programs, which are loaded without being pinned.
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
}
