import java.nio.charset.StandardCharsets;
import java.util.Scanner;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;

/** Reads keys, one a line, and prints the partition of each, as Kafka's own client computes it for so many of them. */
public class Partitions {
    public static void main(String[] arguments) {
        int partitions = Integer.parseInt(arguments[0]);
        StringBuilder output = new StringBuilder();
        Scanner keys = new Scanner(System.in, StandardCharsets.UTF_8).useDelimiter("\n");
        while (keys.hasNext()) {
            byte[] key = keys.next().getBytes(StandardCharsets.UTF_8);
            output.append(BuiltInPartitioner.partitionForKey(key, partitions)).append('\n');
        }
        System.out.print(output);
    }
}
