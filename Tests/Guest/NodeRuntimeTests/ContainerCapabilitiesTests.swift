import KubeletService
import Testing

@testable import NodeRuntime

@Suite struct ContainerCapabilitiesTests {
    private func set(_ added: [String], _ dropped: [String]) throws -> UInt64 {
        try ContainerCapabilities.set(isPrivileged: false, adding: added, dropping: dropped)
    }

    @Test func `the usual ones are containerd's`() throws {
        // CapBnd of a container without a securityContext.
        #expect(try set([], []) == 0xa804_25fb)
    }

    @Test func `what is added and dropped counts`() throws {
        #expect(try set(["NET_ADMIN"], ["ALL"]) == 1 << 12)
        #expect(try set(["NET_ADMIN"], []) == 0xa804_25fb | 1 << 12)
        #expect(try set([], ["NET_RAW"]) == 0xa804_25fb & ~(1 << 13))
        #expect(try set(["ALL"], ["SYS_ADMIN"]) == (1 << 41) - 1 - (1 << 21))
        #expect(try set([], ["ALL"]) == 0)
        #expect(try ContainerCapabilities.set(isPrivileged: true, adding: [], dropping: ["ALL"]) == .max)
    }

    @Test func `an unknown one is refused by its name`() {
        #expect(throws: PodRuntimeError("unknown capability \"CAP_FLY\"")) { try set(["FLY"], []) }
    }
}
