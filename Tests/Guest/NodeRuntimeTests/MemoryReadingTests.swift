import Testing

@testable import NodeRuntime

/// How much memory a node has left, as a kubelet counts it.
@Suite struct MemoryReadingTests {
    @Test func `what is free and what nobody has used lately is left`() {
        let text = """
            MemTotal:         161380 kB
            MemFree:           20000 kB
            MemAvailable:      70000 kB
            Cached:            60000 kB
            Active(file):      30000 kB
            Inactive(file):    12000 kB
            """
        #expect(MemoryInfo.available(text) == Int64(32_768_000))
        #expect(MemoryInfo.total(text) == Int64(165_253_120))
        #expect(MemoryInfo.available("MemFree: 20000 kB") == nil)
        #expect(MemoryInfo.available("MemFree: x kB\nInactive(file): 1 kB") == nil)
        #expect(MemoryInfo.available("MemFree: 9223372036854775807 kB\nInactive(file): 1 kB") == nil)
    }

    @Test func `a working set is without file pages that nobody has used lately`() {
        #expect(ContainerGroups.workingSet(100, statistics: "anon 40\ninactive_file 30\nactive_file 20\n") == 70)
        #expect(ContainerGroups.workingSet(100, statistics: "anon 40\n") == 100)
        #expect(ContainerGroups.workingSet(100, statistics: "inactive_file 300\n") == 0)
        #expect(ContainerGroups.workingSet(100, statistics: "inactive_file -300\n") == 100)
    }
}
