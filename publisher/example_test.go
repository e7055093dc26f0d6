package publisher_test

import (
	"fmt"

	"github.com/cliniko-bridge/cliniko-bridge/publisher"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// The subjects of a bridge with several accounts, as nats.subject of its configuration has them.
func ExampleTemplate() {
	template, err := publisher.ParseTemplate("cliniko.{account}.{resource}.{verb}")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(template.Subject("northside", "appointments", schemas.Cancelled, "343589"))
	fmt.Println(template.Filter("northside", "appointments"))
	fmt.Println(template.All())
	// Output:
	// cliniko.northside.appointments.cancelled
	// cliniko.northside.appointments.*
	// cliniko.*.*.*
}

// A template that cannot be is refused with what is to be done about it.
func ExampleParseTemplate() {
	_, err := publisher.ParseTemplate("clinic.{resource}")
	fmt.Println(err)
	// Output: subject template "clinic.{resource}": add {verb}
}
